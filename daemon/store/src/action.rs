//! What lines of the audit trail say was done: one table of words. A line keeps its word for ever, so a word is never changed:
//! what is done otherwise from now on gets another one.

use super::vocabulary::words;

words! {
    /// What was done.
    Action {
        /// An acceptance was taken back by a person; what was billed on it alone is credited.
        AcceptanceTakenBack = "acceptance taken back",
        /// A person's sign-in was closed.
        AccountClosed = "account closed",
        /// A person can sign in with a password.
        AccountMade = "account made",
        /// Who did it and what they wrote was removed from lines.
        AuditLinesRedacted = "audit lines redacted",
        /// More records are missing in a remote than the brake allows.
        CensusBraked = "census braked",
        /// A person let a change order take effect.
        ChangeOrderApproved = "change order approved",
        /// A person refused a change order.
        ChangeOrderRefused = "change order refused",
        /// A change order was filed that takes no effect before it is approved.
        ChangeOrderWaits = "change order waits",
        /// The figures of a month were prepared.
        ClosePrepared = "close prepared",
        /// The figures of a month were signed: they are frozen.
        CloseSigned = "close signed",
        /// A person looked at a step of a month's close, or it was given to one.
        CloseStep = "close step",
        /// A file of the contract folder could not be filed.
        ContractFileRefused = "contract file refused",
        /// A contract was filed.
        ContractOpened = "contract opened",
        /// A contract was decided anew from its facts, after an upgrade.
        ContractRebuilt = "contract rebuilt",
        /// A contract that cannot be read was set aside.
        ContractSetAside = "contract set aside",
        /// A person said which record of an ERP a customer is.
        CustomerChosen = "customer chosen",
        /// Dates of an ERP were closed.
        DatesClosed = "dates closed",
        /// A person gave a delivery up.
        DeliveryDismissed = "delivery dismissed",
        /// A person made a delivery by hand, in the remote.
        DeliveryDoneOutside = "delivery done outside",
        /// An attempt may have written it: the remote is asked.
        DeliveryInDoubt = "delivery in doubt",
        /// The daemon ended during an attempt.
        DeliveryInterrupted = "delivery interrupted",
        /// A delivery waits for a person.
        DeliveryParked = "delivery parked",
        /// An attempt wrote nothing and is made again.
        DeliveryPostponed = "delivery postponed",
        /// A delivery whose row is not attested was not made.
        DeliveryRefused = "delivery refused",
        /// A person let a delivery go on.
        DeliveryReleased = "delivery released",
        /// The remote has it.
        DeliverySettled = "delivery settled",
        /// The contract decided a document.
        DocumentIssued = "document issued",
        /// A signed document was read.
        DocumentRead = "document read",
        /// Something differs after billing.
        DriftNoticed = "drift noticed",
        /// A person closed a difference.
        DriftOverruled = "drift overruled",
        /// What differed does not any more.
        DriftUndone = "drift undone",
        /// An exception was closed.
        ExceptionClosed = "exception closed",
        /// An exception was opened.
        ExceptionOpened = "exception opened",
        /// An exception was opened and closed by one decision.
        ExceptionOpenedAndClosed = "exception opened and closed",
        /// A person closed an exception.
        ExceptionOverruled = "exception overruled",
        /// A fact was decided about.
        FactDecided = "fact decided",
        /// A fact that the contract does not take waits for a person.
        FactParked = "fact parked",
        /// A fact whose row is not attested was not taken.
        FactRefused = "fact refused",
        /// A contract was filed from a document that was read.
        FiledFromDocument = "filed from a document",
        /// One of two people has said it; another one is awaited.
        FirstOfTwoApprovals = "first of two approvals",
        /// The command line wrote an invitation to an account.
        InvitationWritten = "invitation written",
        /// A person was asked to look after something.
        ItemAssigned = "item assigned",
        /// A person wrote something down about what waits.
        ItemNoted = "item noted",
        /// Nobody is reminded of something before a date.
        ItemSnoozed = "item snoozed",
        /// The key of the store was exchanged.
        KeyExchanged = "key exchanged",
        /// Somebody took a list out.
        ListExported = "list exported",
        /// A mail was sent, or its outcome became known.
        Mail = "mail",
        /// A mail whose row is not attested was not sent.
        MailRefused = "mail refused",
        /// A person approved a milestone.
        MilestoneApproved = "milestone approved",
        /// A person held a milestone.
        MilestoneHeld = "milestone held",
        /// A person closed a record, fact or file that waited.
        ParkedClosed = "parked closed",
        /// Records that could not be understood are read again.
        ParkedRecordsReplayed = "parked records replayed",
        /// A contract, a customer or a connection was halted.
        Paused = "paused",
        /// A record could not be understood.
        RecordParked = "record parked",
        /// A record whose row is not attested was not read.
        RecordRefused = "record refused",
        /// What vendors sent was removed, as the retention says.
        RecordsEmptied = "records emptied",
        /// The database is one that was put back from a backup.
        RestoredFromBackup = "restored from a backup",
        /// What was halted goes on.
        Resumed = "resumed",
        /// Rows of an older version were attested as they stood.
        RowsAttested = "rows attested",
        /// A session was ended.
        SessionEnded = "session ended",
        /// The identity provider gives somebody who is signed in other rights than before.
        SessionRightsChanged = "session rights changed",
        /// The command line wrote a link that signs somebody in.
        SignInLinkWritten = "sign-in link written",
        /// A person signed in.
        SignedIn = "signed in",
        /// A person confirmed or corrected what a document says.
        ValueDecided = "value decided",
        /// A saved view was removed.
        ViewRemoved = "view removed",
        /// A view was saved.
        ViewSaved = "view saved",
        /// An edited workbook was brought.
        WorkbookBrought = "workbook brought",
        /// A person confirmed what an edited workbook says.
        WorkbookConfirmed = "workbook confirmed",
        /// An address showed wrong secrets and is not heard for a while.
        WrongTokens = "wrong tokens",
    }
}

#[cfg(test)]
mod tests {
    use milestoned_trail::{chain, rows};

    use super::*;

    #[test]
    fn whoever_checks_the_trail_alone_knows_its_two_words_by_the_same_text() {
        assert_eq!(Action::AuditLinesRedacted.name(), chain::REDACTION);
        assert_eq!(Action::RowsAttested.name(), rows::FIRST);
    }
}
