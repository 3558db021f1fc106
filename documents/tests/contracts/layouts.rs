//! The schedules of contracts that a person has read, rendered as Word and PDF in four layouts by LibreOffice, and read again:
//! ruled, unruled, in two columns, and over a page break with the heading repeated.
//!
//! Without LibreOffice, only that is said; `MILESTONED_REQUIRE_LIBREOFFICE=1` makes its absence a failure.

use std::path::Path;
use std::process::Command;

use milestoned_documents::{Input, propose, reader};

use crate::truth::{self, Row, Truth};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Ruled,
    Unruled,
    Columns,
    Overleaf,
}

const LAYOUTS: [Layout; 4] = [Layout::Ruled, Layout::Unruled, Layout::Columns, Layout::Overleaf];

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn paragraph(text: &str) -> String {
    format!("<text:p>{}</text:p>", escaped(text))
}

fn amount(row: &Row) -> String {
    match (&row.amount, row.missing.as_deref()) {
        (Some(amount), _) => {
            let (whole, cents) = amount.split_once('.').unwrap();
            let digits: Vec<char> = whole.chars().rev().collect();
            let grouped: Vec<String> = digits.chunks(3).map(|group| group.iter().collect()).collect();
            format!("{}.{cents}", grouped.join(",").chars().rev().collect::<String>())
        }
        (None, Some("redacted")) => "***".into(),
        (None, Some(_)) => "To be determined".into(),
        (None, None) => String::new(),
    }
}

/// A schedule as a table where rows have amounts, else as a list of instalments.
fn schedule(truth: &Truth) -> String {
    let currency = truth.heads.get("currency").map_or("EUR", String::as_str);
    if truth.rows.iter().all(|row| row.amount.is_none() && row.missing.is_none()) {
        let items = truth.rows.iter().enumerate().map(|(index, row)| {
            let (id, percent) = (row.id.clone().unwrap_or_else(|| (index + 1).to_string()), row.percent.as_deref().unwrap_or("0"));
            paragraph(&format!(
                "({id}) An amount equivalent to {percent}% of the Contract Price shall be paid within three (3) business days following {}, as confirmed in writing by the representative of the buyer at the yard;",
                row.name
            ))
        });
        return paragraph("The Contract Price shall be paid in instalments as follows:") + &items.collect::<String>();
    }
    let cell = |text: &str| {
        format!(
            "<table:table-cell table:style-name=\"Cell\" office:value-type=\"string\">{}</table:table-cell>",
            paragraph(text)
        )
    };
    let line = |cells: [&str; 4]| format!("<table:table-row>{}</table:table-row>", cells.map(cell).concat());
    let heading = line(["No.", "Milestone", "% of contract price", &format!("Amount ({currency})")]);
    let rows: String = truth
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| {
            let id = row.id.clone().unwrap_or_else(|| (index + 1).to_string());
            let percent = row.percent.as_ref().map_or(String::new(), |percent| format!("{percent}%"));
            let name = format!("{} and everything that the parties have agreed on for it in the annexes", row.name);
            line([&id, &name, &percent, &amount(row)])
        })
        .collect();
    format!(
        "<table:table><table:table-column table:style-name=\"Narrow\"/><table:table-column table:style-name=\"Wide\"/>\
         <table:table-column table:style-name=\"Middle\" table:number-columns-repeated=\"2\"/>\
         <table:table-header-rows>{heading}</table:table-header-rows>{rows}</table:table>"
    )
}

fn flat_document(truth: &Truth, layout: Layout) -> String {
    let border = if matches!(layout, Layout::Ruled | Layout::Overleaf) { "0.5pt solid #000000" } else { "none" };
    let (wide, middle, narrow) = if layout == Layout::Columns { (1.0, 0.95, 0.4) } else { (3.4, 1.3, 0.5) };
    let filler = "The parties have agreed on the following in good faith and will carry it out with the care of a prudent builder, in the order in which it stands here, and with notice to each other in writing wherever it cannot be done in time.";
    let lines = match layout {
        Layout::Overleaf => 15,
        Layout::Columns => 8,
        _ => 1,
    };
    let price = truth.heads.get("total").map_or(String::new(), |total| {
        paragraph(&format!(
            "The contract price is {} {total}.",
            truth.heads.get("currency").map_or("USD", String::as_str)
        ))
    });
    let body = paragraph(filler).repeat(lines) + &price + &schedule(truth) + &paragraph(filler).repeat(lines.min(8));
    let body = if layout == Layout::Columns {
        format!("<text:section text:style-name=\"Columns\" text:name=\"columns\">{body}</text:section>")
    } else {
        body
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.text">
<office:automatic-styles>
<style:style style:name="Cell" style:family="table-cell"><style:table-cell-properties fo:border="{border}" fo:padding="0.04in"/></style:style>
<style:style style:name="Narrow" style:family="table-column"><style:table-column-properties style:column-width="{narrow}in"/></style:style>
<style:style style:name="Middle" style:family="table-column"><style:table-column-properties style:column-width="{middle}in"/></style:style>
<style:style style:name="Wide" style:family="table-column"><style:table-column-properties style:column-width="{wide}in"/></style:style>
<style:style style:name="Columns" style:family="section"><style:section-properties><style:columns fo:column-count="2" fo:column-gap="0.35in"/></style:section-properties></style:style>
</office:automatic-styles>
<office:body><office:text>{body}</office:text></office:body></office:document>"#
    )
}

/// Converts the files, eighty at a time: LibreOffice leaves out some of a longer list, and says nothing of it.
fn converted(folder: &Path, to: &str, files: &[String]) -> bool {
    let ending = to.split(':').next().unwrap();
    files.chunks(80).all(|files| {
        let status = Command::new("soffice")
            .arg(format!("-env:UserInstallation=file://{}/profile", folder.display()))
            .args(["--headless", "--convert-to", to, "--outdir", "."])
            .args(files)
            .current_dir(folder)
            .output();
        let there = |file: &String| folder.join(file).with_extension(ending).is_file();
        status.is_ok_and(|output| output.status.success()) && files.iter().all(there)
    })
}

/// Id, amount and percent of a row.
type Figures = (Option<String>, Option<String>, Option<String>);

fn amounts(rows: &[Figures]) -> Vec<&Option<String>> {
    rows.iter().map(|row| &row.1).collect()
}

/// What each row says that is read again.
fn read_again(path: &Path) -> Vec<Figures> {
    let bytes = std::fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let document = reader::read(&bytes, reader::format_of(&name).unwrap()).unwrap();
    let proposal = propose(vec![Input::new(&name, &bytes, document)], None);
    proposal.milestones.into_iter().map(|row| (row.id.value, row.amount.value, row.percent.value)).collect()
}

/// Whether a row was found with all that it says, and its number only in part or with a blank in it.
fn broken(found: &Figures, row: &Figures) -> bool {
    let whole = |id: &Option<String>| id.as_deref().unwrap_or_default().replace(' ', "");
    (&found.1, &found.2) == (&row.1, &row.2) && found.0.is_some() && whole(&row.0).starts_with(&whole(&found.0))
}

/// What was lost of schedules that were rendered and read again.
struct Again {
    files: usize,
    /// Rows of an unruled table in a narrow column of a PDF that were not found.
    narrow: usize,
    /// Rows found whose number LibreOffice broke over lines or pages, of which a part is read, or both with a blank between them.
    broken: usize,
    /// What was lost elsewhere.
    lost: Vec<String>,
    /// Amounts that no document has.
    wrong: Vec<String>,
}

/// Renders the schedules in every layout and reads them again; nothing where there is no LibreOffice.
fn rendered_again(truths: &[Truth]) -> Option<Again> {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (number, truth) in truths.iter().enumerate() {
        for layout in LAYOUTS {
            let name = format!("{number}-{layout:?}.fodt");
            std::fs::write(folder.path().join(&name), flat_document(truth, layout)).unwrap();
            files.push(name);
        }
    }
    if !(converted(folder.path(), "pdf", &files) && converted(folder.path(), "docx:MS Word 2007 XML", &files)) {
        assert!(std::env::var_os("MILESTONED_REQUIRE_LIBREOFFICE").is_none(), "soffice did not convert the files");
        return None;
    }
    let mut again = Again { files: files.len() * 2, narrow: 0, broken: 0, lost: Vec::new(), wrong: Vec::new() };
    for (number, truth) in truths.iter().enumerate() {
        for layout in LAYOUTS {
            for ending in ["docx", "pdf"] {
                let read = read_again(&folder.path().join(format!("{number}-{layout:?}.{ending}")));
                again.count(truth, layout, ending, &read);
            }
        }
    }
    Some(again)
}

impl Again {
    fn count(&mut self, truth: &Truth, layout: Layout, ending: &str, read: &[Figures]) {
        let numbered = truth.rows.iter().enumerate().map(|(index, row)| {
            let id = row.id.clone().or_else(|| Some((index + 1).to_string()));
            (id, row.amount.clone(), row.percent.clone())
        });
        let expected: Vec<_> = numbered.collect();
        let missing: Vec<_> = expected.iter().filter(|row| !read.contains(row)).collect();
        let place = format!("{} {layout:?} {ending}", truth.document);
        let strange = read.iter().filter(|row| row.1.is_some() && !amounts(&expected).contains(&&row.1));
        self.wrong.extend(strange.map(|row| format!("{place}: {row:?}")));
        if layout == Layout::Columns && ending == "pdf" {
            self.narrow += missing.len();
            return;
        }
        let (broken, missing): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|row| read.iter().any(|found| broken(found, row)));
        self.broken += broken.len();
        if !missing.is_empty() || read.len() != truth.rows.len() && broken.is_empty() {
            self.lost.push(format!("{place}: lost {missing:?}, read {read:?}"));
        }
    }
}

#[test]
fn no_row_is_lost_in_word_and_pdf_whatever_the_layout() {
    let truths: Vec<Truth> = truth::all().into_iter().filter(|truth| !truth.rows.is_empty()).collect();
    let Some(again) = rendered_again(&truths) else { return println!("LibreOffice is not here: skipped") };
    println!(
        "{} renderings: {} rows lost in narrow columns, {} numbers broken",
        again.files, again.narrow, again.broken
    );
    assert!(again.wrong.is_empty(), "{:#?}", again.wrong);
    assert!(again.lost.is_empty(), "{:#?}", again.lost);
    assert!(again.narrow <= 1, "{} rows lost in narrow columns", again.narrow);
    assert_eq!(again.broken, 0, "numbers broken");
}

/// Rows of the documents of our own that are lost in narrow columns of a PDF, at most: a figure that may only fall.
const OWN_NARROW: usize = 4;

/// Numbers of theirs that a column of half an inch breaks, at most.
const OWN_BROKEN: usize = 4;

#[test]
fn documents_of_our_own_lose_nothing_more_in_any_layout() {
    // What is rendered has columns of fixed amounts or percents, and numbers: a row without either is another kind of document.
    let plain = |row: &Row| {
        let figure = row.amount.is_some() || row.percent.is_some() || row.missing.is_some();
        figure && row.per.is_none() && row.id.as_deref() != Some("final")
    };
    let fixed = |truth: &Truth| !truth.rows.is_empty() && truth.rows.iter().all(plain);
    let truths: Vec<Truth> = truth::own().0.into_iter().filter(fixed).collect();
    let Some(again) = rendered_again(&truths) else { return println!("LibreOffice is not here: skipped") };
    println!(
        "{} renderings: {} rows lost in narrow columns, {} numbers broken",
        again.files, again.narrow, again.broken
    );
    assert!(again.wrong.is_empty(), "{:#?}", again.wrong);
    assert!(again.lost.is_empty(), "{:#?}", again.lost);
    assert!(again.broken <= OWN_BROKEN, "{} numbers broken", again.broken);
    assert!(again.narrow <= OWN_NARROW, "{} rows lost in narrow columns", again.narrow);
}
