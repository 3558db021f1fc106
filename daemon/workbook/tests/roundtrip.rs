//! Workbooks that go out and come back: nothing edited is nothing changed, and each edit is one cell.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly, and says why it did nothing")]

use std::io::{Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use milestoned_workbook::book::{Book, Column, Kind, Row, Sheet};
use milestoned_workbook::cell::Cell;
use milestoned_workbook::merge::{Edit, Outcome, changed_since, merge};
use milestoned_workbook::read::{Brought, ReadError, read};
use milestoned_workbook::write::{Mark, Marks, write};
use proptest::prelude::*;

/// One row: name, amount, days, date, word.
type Values = (String, String, i64, String, String);

fn book(rows: &[Values]) -> Book {
    let words = vec!["approve".to_owned(), "hold".into()];
    let columns = vec![
        Column::edited("Name", Kind::Text),
        Column::edited("Amount", Kind::Amount),
        Column::edited("Days", Kind::Count),
        Column::edited("Planned", Kind::Date),
        Column::shown("Status", Kind::Text),
        Column::edited("Action", Kind::Choice(words)),
    ];
    let row = |(place, (name, amount, days, date, status)): (usize, &Values)| Row {
        key: format!("milestone:SOW:{place}"),
        stamp: format!("stamp {place}"),
        cells: vec![
            Cell::text(name),
            Cell::Amount(amount.clone()),
            Cell::Count(*days),
            Cell::text(date),
            Cell::text(status),
            Cell::text(""),
        ],
    };
    let milestones = Sheet {
        name: "Milestones".into(),
        about: "One row each.".into(),
        columns,
        rows: rows.iter().enumerate().map(row).collect(),
    };
    let totals = Sheet {
        name: "Totals".into(),
        about: "Only shown.".into(),
        columns: vec![Column::shown("Total", Kind::Amount)],
        rows: vec![Row { key: String::new(), stamp: String::new(), cells: vec![Cell::Amount("5.00".into())] }],
    };
    Book {
        about: vec![("Asked by".into(), "=cmd|' /C calc'!A0".into())],
        instructions: vec!["Edit what is blue.".into()],
        sheets: vec![milestones, totals],
    }
}

fn three() -> Vec<Values> {
    let row =
        |name: &str, amount: &str| (name.to_owned(), amount.to_owned(), 10, "2026-03-31".to_owned(), "open".into());
    vec![row("Design", "40000.00"), row("=1+1", "0.10"), row("Build", "99999999999999999.99")]
}

fn attest(digest: &str) -> String {
    format!("attested {digest}")
}

fn export(book: &Book) -> Vec<u8> {
    write(book, &Marks::new(), &attest).unwrap()
}

fn back(bytes: &[u8]) -> Result<Brought, ReadError> {
    read(bytes, &|digest, attestation| attestation == attest(digest))
}

fn edit(book: &Book, key: &str, column: &str, value: &str) -> Book {
    let mut book = book.clone();
    let sheet = book.sheets.first_mut().unwrap();
    let place = sheet.columns.iter().position(|one| one.name == column).unwrap();
    let row = sheet.rows.iter_mut().find(|row| row.key == key).unwrap();
    row.cells[place] = match &sheet.columns[place].kind {
        Kind::Amount => Cell::Amount(value.into()),
        _ => Cell::text(value),
    };
    book
}

/// A file that was exported as `base` is and that people have edited into `theirs`.
fn edited(base: &Book, theirs: &[(&str, &str, &str)]) -> Vec<Edit> {
    let marks: Marks = theirs
        .iter()
        .map(|(key, column, value)| {
            let mark = Mark { value: (*value).into(), note: String::new(), stands_out: false };
            (((*key).to_owned(), (*column).to_owned()), mark)
        })
        .collect();
    back(&write(base, &marks, &attest).unwrap()).unwrap().edits
}

fn values() -> impl Strategy<Value = Values> {
    let amount = ("-?[1-9][0-9]{0,17}", 0..4_usize, "[0-9]{3}").prop_map(|(whole, decimals, cents)| {
        if decimals == 0 { whole } else { format!("{whole}.{}", cents.get(..decimals).unwrap_or("0")) }
    });
    let text =
        prop_oneof!["\\PC{0,30}", "[=+@\t\r\n ' -]{0,6}", "_x00[0-9A-F]{2}_{0,2}", "-?[0-9]{1,20}", "[0-9]{4}-1?[0-9]"];
    let date = "20[0-9]{2}-0[1-9]-[12][0-9]";
    (text.clone(), amount, 0..4_000_000_000_i64, date, text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_nobody_has_edited_comes_back_as_it_went_out(rows in prop::collection::vec(values(), 1..12)) {
        let book = book(&rows);
        let brought = back(&export(&book)).unwrap();
        prop_assert_eq!(&brought.edits, &[]);
        prop_assert_eq!((brought.rows, brought.told.len()), (rows.len(), 0));
        prop_assert_eq!(changed_since(&brought.base, &[], &book), 0);
    }

    #[test]
    fn edits_of_different_cells_both_land_and_of_the_same_cell_the_second_is_told(
        rows in prop::collection::vec(values(), 2..6), first in "[A-Z]{3,9}", second in "[a-z]{3,9}",
    ) {
        let exported = book(&rows);
        let key = "milestone:SOW:1";
        let mine = edited(&exported, &[(key, "Name", &first)]);
        let merged = merge(mine, &exported);
        prop_assert_eq!(merged.iter().map(|one| &one.outcome).collect::<Vec<_>>(), [&Outcome::Edit]);
        let now = edit(&exported, key, "Name", &first);
        let theirs = edited(&exported, &[(key, "Planned", "2031-01-01"), (key, "Name", &second)]);
        let merged = merge(theirs, &now);
        let of = |column: &str| merged.iter().find(|one| one.edit.column == column).map(|one| one.outcome.clone());
        prop_assert_eq!(of("Planned"), Some(Outcome::Edit));
        prop_assert_eq!(of("Name"), Some(Outcome::Conflict));
        let again = merge(edited(&exported, &[(key, "Name", &first)]), &now);
        prop_assert_eq!(again.first().map(|one| &one.outcome), Some(&Outcome::Same));
    }
}

#[test]
fn what_others_changed_and_the_file_does_not_is_no_edit_and_is_counted() {
    let exported = book(&three());
    let brought = back(&export(&exported)).unwrap();
    let now = edit(&exported, "milestone:SOW:0", "Amount", "38000.00");
    assert_eq!((merge(brought.edits.clone(), &now).len(), changed_since(&brought.base, &brought.edits, &now)), (0, 1));
}

#[test]
fn amounts_are_compared_as_numbers_and_what_is_none_is_told() {
    let exported = book(&three());
    let key = "milestone:SOW:0";
    for (wrote, theirs) in [("41000", "41000.00"), ("41,000.5", "41000.50"), ("-3", "-3.00"), ("40000", "")] {
        let edits = edited(&exported, &[(key, "Amount", wrote)]);
        assert_eq!(edits.first().map(|edit| edit.theirs.as_str()).unwrap_or_default(), theirs, "{wrote}");
    }
    for (column, wrote, reason) in [
        ("Amount", "40.000,00", "no plain amount"),
        ("Amount", "1.005", "more than 2 decimals"),
        ("Days", "ten", "no whole number"),
        ("Planned", "31.3.2026", "no date"),
        ("Action", "delete", "none of approve, hold"),
        ("Status", "paid", "not edited here"),
    ] {
        let edits = edited(&exported, &[(key, column, wrote)]);
        let refused = edits.first().and_then(|edit| edit.refused.clone()).unwrap_or_default();
        assert!(refused.contains(reason), "{column} {wrote}: {edits:?}");
        assert!(matches!(merge(edits, &exported)[0].outcome, Outcome::Refused(_)));
    }
}

#[test]
fn a_row_that_is_gone_is_refused_and_a_foreign_or_altered_file_is_not_taken() {
    let exported = book(&three());
    let edits = edited(&exported, &[("milestone:SOW:2", "Name", "Built")]);
    let now = book(&three()[..2]);
    assert!(
        matches!(&merge(edits, &now)[0].outcome, Outcome::Refused(reason) if reason.contains("not there any more"))
    );
    let mut foreign = rust_xlsxwriter::Workbook::new();
    foreign.add_worksheet();
    assert_eq!(back(&foreign.save_to_buffer().unwrap()), Err(ReadError::Foreign));
    let mut wide = rust_xlsxwriter::Workbook::new();
    let corners = wide.add_worksheet().set_name("milestoned base").unwrap();
    corners.write_string(0, 0, "milestoned workbook 1").unwrap();
    corners.write_string(1_048_575, 16_383, "the other corner").unwrap();
    assert_eq!(
        back(&wide.save_to_buffer().unwrap()),
        Err(ReadError::Altered),
        "and it took no memory for what lies between"
    );
    assert!(matches!(back(b"no workbook"), Err(ReadError::Damaged(_))));
    assert_eq!(read(&export(&exported), &|_, _| false), Err(ReadError::Altered));
}

/// A workbook in which a text of its sheets is another.
fn with_other_text(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut other = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).unwrap();
        let (name, mut text) = (part.name().unwrap().into_owned(), Vec::new());
        part.read_to_end(&mut text).unwrap();
        if name.starts_with("xl/worksheets/sheet") {
            text = String::from_utf8(text).unwrap().replace(from, to).into_bytes();
        }
        other.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        other.write_all(&text).unwrap();
    }
    other.finish().unwrap().into_inner()
}

#[test]
fn a_column_of_more_letters_than_there_are_is_damage_and_ends_nothing() {
    let bytes = with_other_text(&export(&book(&three())), "r=\"A2\"", "r=\"ZZZZZZZZZZ2\"");
    assert!(matches!(back(&bytes), Err(ReadError::Damaged(_))));
}

/// Python with openpyxl, or why there is none.
fn python() -> Result<PathBuf, String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openpyxl");
    let (python, mark) = (place.join("bin/python"), place.join("installed"));
    if mark.exists() {
        return Ok(python);
    }
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    };
    run(Path::new("python3"), &["-m", "venv", &place.to_string_lossy()])?;
    run(&python, &["-m", "pip", "install", "--quiet", "openpyxl==3.1.5"])?;
    std::fs::write(mark, "openpyxl").map_err(|error| error.to_string())?;
    Ok(python)
}

/// Whether an independent program that is missing is a failure.
fn required() -> bool {
    std::env::var("MILESTONED_REQUIRE_CLIENTS").is_ok_and(|value| value == "1")
}

/// Runs lines of Python on a workbook in the variable `book`, saves it, and gives its bytes and what was printed.
fn by_openpyxl(bytes: &[u8], lines: &str) -> Option<(Vec<u8>, String)> {
    let python = match python() {
        Ok(python) => python,
        Err(error) => {
            assert!(!required(), "openpyxl cannot be installed: {error}");
            println!("skipped: openpyxl cannot be installed: {error}");
            return None;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("book.xlsx");
    std::fs::write(&file, bytes).unwrap();
    let script = format!(
        "import sys, datetime, openpyxl\nbook = openpyxl.load_workbook(sys.argv[1])\n{lines}\nbook.save(sys.argv[1])\n"
    );
    let output = Command::new(python).args(["-c", &script]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((std::fs::read(&file).unwrap(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[test]
fn a_foreign_program_reads_exact_amounts_and_writes_edits_in_any_order() {
    let bytes = export(&book(&three()));
    let show = "from decimal import Decimal\nsheet = book['Milestones']\n\
        print([str(Decimal(str(row[2].value))) for row in sheet.iter_rows(min_row=2)])\n\
        print(sheet['A2'].value, sheet['B3'].data_type, book['milestoned base'].sheet_state)";
    let Some((same, said)) = by_openpyxl(&bytes, show) else { return };
    assert_eq!(
        said, "['40000', '0.1', '99999999999999999.99']\nmilestone:SOW:0 s veryHidden\n",
        "every digit, and no formula"
    );
    assert_eq!(back(&same).unwrap().edits, [], "saved by somebody else, nothing is edited");
    let sorted = "sheet = book['Milestones']\nrows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)]\n\
        sheet.delete_rows(2, 10)\nsheet.insert_cols(3)\nsheet.title = 'Sorted'\n\
        [sheet.append(row[:2] + [None] + row[2:]) for row in reversed(rows[1:])]\n\
        sheet['B2'] = 'Built'\nsheet['D2'] = 12.5\nsheet['F3'] = datetime.date(2026, 4, 1)\nsheet['H3'] = '=1+1'";
    let edits = back(&by_openpyxl(&bytes, sorted).unwrap().0).unwrap().edits;
    let told: Vec<_> =
        edits.iter().map(|one| (one.key.as_str(), one.column.as_str(), one.theirs.as_str(), one.row)).collect();
    // openpyxl makes a formula of the text =1+1.
    assert_eq!(
        told,
        [
            ("milestone:SOW:2", "Name", "Built", 2),
            ("milestone:SOW:2", "Amount", "12.50", 2),
            ("milestone:SOW:1", "Name", "", 3),
            ("milestone:SOW:1", "Planned", "2026-04-01", 3),
            ("milestone:SOW:1", "Action", "", 3)
        ]
    );
    assert_eq!(edits[2].refused.as_deref(), Some("is a formula: paste its value"));
    let twice = "sheet = book['Milestones']\nsheet.append([cell.value for cell in sheet[2]])";
    let error = back(&by_openpyxl(&bytes, twice).unwrap().0).unwrap_err();
    assert!(matches!(&error, ReadError::Twice { key, .. } if key == "milestone:SOW:0"), "{error}");
    let altered = "sheet = book['milestoned base']\nsheet['A2'] = sheet['A3'].value";
    assert_eq!(back(&by_openpyxl(&bytes, altered).unwrap().0), Err(ReadError::Altered));
    let stranger = "book['Milestones'].append(['milestone:X:1', 'New'])";
    let told = back(&by_openpyxl(&bytes, stranger).unwrap().0).unwrap().told;
    assert!(told[0].contains("was not exported"), "{told:?}");
}

#[test]
fn a_workbook_that_libreoffice_has_saved_is_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("book.xlsx"), export(&book(&three()))).unwrap();
    let out = folder.path().join("out");
    let mut command = Command::new("soffice");
    command.args(["--headless", "--convert-to", "xlsx", "--outdir"]).arg(&out).arg(folder.path().join("book.xlsx"));
    command.env("HOME", folder.path());
    let said = command.output().map_or_else(|error| error.to_string(), |output| format!("{output:?}"));
    // A LibreOffice without Calc opens no workbook, and calls that a success.
    let Ok(bytes) = std::fs::read(out.join("book.xlsx")) else {
        let needed = std::env::var("MILESTONED_REQUIRE_LIBREOFFICE").is_ok_and(|value| value == "1");
        assert!(!needed, "LibreOffice saves no workbook: {said}");
        println!("skipped: LibreOffice saves no workbook: {said}");
        return;
    };
    let brought = back(&bytes).unwrap();
    assert_eq!((brought.edits, brought.rows), (Vec::new(), 3));
}

#[test]
fn what_was_edited_goes_back_with_a_note_beside_what_holds_now() {
    let exported = book(&three());
    let mark = Mark { value: "41000.00".into(), note: "now 38,000.00, by dana".into(), stands_out: true };
    let marks = Marks::from([(("milestone:SOW:0".to_owned(), "Amount".to_owned()), mark)]);
    let bytes = write(&exported, &marks, &attest).unwrap();
    let edits = back(&bytes).unwrap().edits;
    assert_eq!(edits.first().map(|edit| (edit.base.as_str(), edit.theirs.as_str())), Some(("40000.00", "41000.00")));
    let Some((_, said)) = by_openpyxl(&bytes, "print(book['Milestones']['C2'].comment.text)") else { return };
    assert_eq!(said, "milestoned:\nnow 38,000.00, by dana\n");
}

#[test]
fn a_small_file_that_unpacks_to_more_than_any_export_is_refused_before_it_is_read() {
    for (part, element, times) in [
        ("xl/styles.xml", "<xf numFmtId=\"0\"/>", 300_000),
        ("xl/workbook.xml", "<x:sheet name=\"A\"/>", 1_001),
        ("xl/worksheets/sheet1.xml", "a", 1_048_577),
    ] {
        let mut file = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        file.start_file(part, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut file, element.repeat(times).as_bytes()).unwrap();
        let bytes = file.finish().unwrap().into_inner();
        assert!(bytes.len() < 100_000, "{part}: {}", bytes.len());
        assert_eq!(back(&bytes), Err(ReadError::Large), "{part}");
    }
}
