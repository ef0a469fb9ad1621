//! docs/performance.svg and the table in docs/PERFORMANCE.md, from the rows just measured.
//!
//! One bar per ratio, on one scale: the baseline is a line at 1, the goal a notch on the bar's
//! track. Plain SVG text; colours that work on light and dark pages.

use std::fmt::Write;
use std::io;
use std::path::Path;

use crate::report::{Figure, Row, cells, markdown, short};

const WIDTH: f64 = 860.0;
const LABELS: f64 = 390.0;
const TRACK: f64 = 380.0;
const LINE: f64 = 30.0;
const TOP: f64 = 64.0;
/// The ratio at the right end of the track.
const SCALE: f64 = 2.5;

const TABLE_BEGINS: &str = "<!-- table begins -->";
const TABLE_ENDS: &str = "<!-- table ends -->";

/// Renews both documents.
pub fn write_docs(rows: &[Row]) -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::write(docs.join("performance.svg"), svg(rows))?;
    let page = docs.join("PERFORMANCE.md");
    let text = std::fs::read_to_string(&page)?;
    std::fs::write(page, with_table(&text, &markdown(rows))?)
}

fn with_table(text: &str, table: &str) -> io::Result<String> {
    let missing = || io::Error::other("docs/PERFORMANCE.md has lost the marks of its table");
    let (before, rest) = text.split_once(TABLE_BEGINS).ok_or_else(missing)?;
    let (_, after) = rest.split_once(TABLE_ENDS).ok_or_else(missing)?;
    Ok(format!("{before}{TABLE_BEGINS}\n{table}{TABLE_ENDS}{after}"))
}

fn svg(rows: &[Row]) -> String {
    let height = TOP + rows.len() as f64 * LINE + 20.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <style>\n\
         text {{ fill: #24292f; }} .quiet {{ fill: #6e7781; }} .track {{ fill: #8c959f33; }}\n\
         .met {{ fill: #2da44e; }} .missed {{ fill: #d4a72c; }} .mark {{ stroke: #0969da; stroke-width: 2; }}\n\
         .one {{ stroke: #6e7781; stroke-dasharray: 3 3; }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3; }} .quiet {{ fill: #9198a1; }} \
         .mark {{ stroke: #58a6ff; }} }}\n\
         </style>\n"
    );
    let _ = writeln!(
        text,
        "<text x=\"12\" y=\"24\" font-size=\"16\" font-weight=\"600\">Ottla against a raw baseline of the same run</text>\n\
         <text x=\"12\" y=\"44\" class=\"quiet\">bar: Ottla / baseline (longer is better), or the figure over its limit (shorter is better); blue: the goal; dashed: 1.0</text>"
    );
    let one = LABELS + TRACK / SCALE;
    let _ = writeln!(
        text,
        "<line x1=\"{one:.1}\" y1=\"{}\" x2=\"{one:.1}\" y2=\"{}\" class=\"one\"/>",
        TOP - 8.0,
        height - 12.0
    );
    for (index, row) in rows.iter().enumerate() {
        bar(&mut text, TOP + index as f64 * LINE, row);
    }
    text.push_str("</svg>\n");
    text
}

fn bar(text: &mut String, top: f64, row: &Row) {
    let [work, _, ours, ratio, ..] = cells(row);
    let (value, goal, shown) = match &row.figure {
        Figure::Ratio { ratio: median, goal, .. } => {
            (median.median, *goal, format!("{ratio}  ({ours})"))
        }
        Figure::Limit { ours: value, limit, unit, .. } => {
            (value / limit, Some(1.0), format!("{ours} of {} {unit}", short(*limit)))
        }
    };
    let class = if row.figure.meets_goal() { "met" } else { "missed" };
    let length = |value: f64| TRACK * (value / SCALE).clamp(0.0, 1.0);
    let baseline = top + 14.0;
    let _ = writeln!(
        text,
        "<text x=\"12\" y=\"{baseline:.1}\">{}</text>\n\
         <rect x=\"{LABELS}\" y=\"{top:.1}\" width=\"{TRACK}\" height=\"18\" rx=\"3\" class=\"track\"/>\n\
         <rect x=\"{LABELS}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"18\" rx=\"3\" class=\"{class}\"/>\n\
         <text x=\"{}\" y=\"{baseline:.1}\" text-anchor=\"end\" font-size=\"12\">{shown}</text>",
        escaped(work.trim_start()),
        length(value).max(1.5),
        LABELS + TRACK - 6.0,
    );
    if let Some(goal) = goal {
        let x = LABELS + length(goal);
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" class=\"mark\"/>",
            top - 2.0,
            top + 20.0
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
