//! Measuring progress by cost: cost-to-cost with a rounding policy, uninstalled materials, and the provision of a loss.
//!
//! Sources: ASC 606-10-55-16 to 55-21 and 55-187 to 55-192 (uninstalled materials), ASC 605-35-25-45 (provision of losses);
//! IFRS 15 B14 to B19 and IE95 to IE100, IAS 37.66. Amounts are minor units of the contract's currency.

use crate::split::{half_up, proportion_half_up};

/// What a cost report says of one obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct CostReport {
    /// Cost incurred to date, uninstalled materials included.
    pub incurred: i64,
    /// Cost still to come.
    pub estimate_to_complete: i64,
    /// Of what was incurred: materials that the customer controls and that are not installed yet. They earn revenue at
    /// their cost, without margin, and are no progress (ASC 606-10-55-187).
    pub uninstalled_materials: i64,
}

/// One obligation measured by cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostToCost {
    /// The obligation's share of the transaction price.
    pub price: i64,
    /// The latest report.
    pub report: CostReport,
    /// Decimals of a percent to which progress is rounded, half up, before it is used; `None`: exact. Published examples
    /// round (51.2 %); exact is the default.
    pub progress_decimals: Option<u32>,
}

impl CostToCost {
    /// Cost that is expected in all.
    pub fn expected_cost(&self) -> i64 {
        self.report.incurred.saturating_add(self.report.estimate_to_complete)
    }

    /// Price less expected cost; negative: a loss contract.
    pub fn expected_profit(&self) -> i64 {
        self.price.saturating_sub(self.expected_cost())
    }

    /// Progress as a fraction: part and whole. Without any cost in all there is none.
    pub fn progress(&self) -> (i128, i128) {
        let materials = i128::from(self.report.uninstalled_materials);
        let part = i128::from(self.report.incurred).saturating_sub(materials).max(0);
        let whole = i128::from(self.expected_cost()).saturating_sub(materials).max(0);
        match self.progress_decimals.and_then(|decimals| 10_i128.checked_pow(decimals.min(12).saturating_add(2))) {
            Some(scale) if whole > 0 => (half_up(part.saturating_mul(scale), whole), scale),
            _ => (part, whole),
        }
    }

    /// Revenue to date: price × progress, half up; uninstalled materials at cost.
    pub fn revenue_to_date(&self) -> i64 {
        let (part, whole) = self.progress();
        let materials = self.report.uninstalled_materials;
        proportion_half_up(self.price.saturating_sub(materials), part, whole).saturating_add(materials)
    }

    /// The provision that brings the cumulative result of a loss contract to the whole expected loss at once; 0 where no
    /// loss is expected.
    pub fn loss_provision(&self) -> i64 {
        let loss = self.expected_profit().saturating_neg();
        if loss <= 0 {
            return 0;
        }
        let so_far = self.report.incurred.saturating_sub(self.revenue_to_date());
        loss.saturating_sub(so_far).max(0)
    }

    /// Revenue less cost less provision, to date.
    pub fn gross_profit_to_date(&self) -> i64 {
        self.revenue_to_date().saturating_sub(self.report.incurred).saturating_sub(self.loss_provision())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_loss_is_provided_for_where_cost_meets_the_price_though_progress_is_rounded() {
        let report = CostReport { incurred: 200, estimate_to_complete: 100, uninstalled_materials: 0 };
        let rounded = CostToCost { price: 300, report, progress_decimals: Some(0) };
        assert_eq!((rounded.revenue_to_date(), rounded.loss_provision(), rounded.gross_profit_to_date()), (201, 0, 1));
        let nothing_yet = CostToCost { price: 300, report: CostReport::default(), progress_decimals: Some(0) };
        assert_eq!((nothing_yet.revenue_to_date(), nothing_yet.loss_provision()), (0, 0));
    }
}
