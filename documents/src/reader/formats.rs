//! Which cells of an Excel file a person sees as percents: the file has `0.1` and a format that shows `10%`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use zip::ZipArchive;

use super::docx::{attribute, named, parsed, part};

/// Cells of one sheet, as Excel names them: `B7`.
pub(super) type Cells = BTreeSet<String>;

/// By the name of its sheet every cell that is shown as a percent. What cannot be read has none.
pub(super) fn percents(bytes: &[u8]) -> BTreeMap<String, Cells> {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else { return BTreeMap::new() };
    let mut text = |name: &str| part(&mut archive, name).ok().flatten().unwrap_or_default();
    let styles = percent_styles(&text("xl/styles.xml"));
    if styles.is_empty() {
        return BTreeMap::new();
    }
    let sheets = sheets(&text("xl/workbook.xml"), &text("xl/_rels/workbook.xml.rels"));
    sheets.into_iter().map(|(name, file)| (name, cells(&text(&file), &styles))).collect()
}

/// Numbers of the cell formats that show a percent.
fn percent_styles(styles: &str) -> BTreeSet<String> {
    let Ok(tree) = parsed("styles", styles) else { return BTreeSet::new() };
    // 9 and 10 are Excel's own `0%` and `0.00%`.
    let own = ["9".to_owned(), "10".to_owned()];
    let custom = tree.descendants().filter(|node| named(*node, "numFmt")).filter_map(|node| {
        attribute(node, "formatCode")
            .filter(|code| shows_percent(code))
            .and(attribute(node, "numFmtId"))
            .map(str::to_owned)
    });
    let formats: BTreeSet<String> = own.into_iter().chain(custom).collect();
    let Some(list) = tree.descendants().find(|node| named(*node, "cellXfs")) else { return BTreeSet::new() };
    let cells = list.children().filter(|node| named(*node, "xf")).enumerate();
    cells
        .filter(|(_, node)| attribute(*node, "numFmtId").is_some_and(|id| formats.contains(id)))
        .map(|(index, _)| index.to_string())
        .collect()
}

/// A sign in quotes or after a backslash is a letter like others, and the number stays as it is.
fn shows_percent(code: &str) -> bool {
    let outside: String = code.split('"').step_by(2).collect();
    outside.replace("\\%", "").contains('%')
}

/// Name of each sheet and the file that has it.
fn sheets(workbook: &str, relations: &str) -> Vec<(String, String)> {
    let (Ok(workbook), Ok(relations)) = (parsed("workbook", workbook), parsed("relations", relations)) else {
        return Vec::new();
    };
    let target = |id: &str| {
        let found = relations.descendants().find(|node| attribute(*node, "Id") == Some(id))?;
        let file = attribute(found, "Target")?;
        Some(file.strip_prefix('/').map_or_else(|| format!("xl/{file}"), str::to_owned))
    };
    let sheets = workbook.descendants().filter(|node| named(*node, "sheet"));
    sheets.filter_map(|node| Some((attribute(node, "name")?.to_owned(), target(attribute(node, "id")?)?))).collect()
}

fn cells(sheet: &str, styles: &BTreeSet<String>) -> Cells {
    let Ok(tree) = parsed("sheet", sheet) else { return Cells::new() };
    tree.descendants()
        .filter(|node| named(*node, "c") && attribute(*node, "s").is_some_and(|style| styles.contains(style)))
        .filter_map(|node| attribute(node, "r").map(str::to_owned))
        .collect()
}

/// `B7` for the second column of the seventh row, both counted from 0.
pub(super) fn address(row: usize, column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        let digit = u8::try_from((rest - 1) % 26).unwrap_or(0);
        letters.push(char::from(b'A' + digit));
        rest = (rest - 1) / 26;
    }
    let letters: String = letters.into_iter().rev().collect();
    format!("{letters}{}", row + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_addressed_as_excel_does() {
        assert_eq!([address(0, 0), address(6, 25), address(1, 26), address(0, 701)], ["A1", "Z7", "AA2", "ZZ1"]);
    }
}
