//! Measuring progress by cost: cost-to-cost with a rounding policy, uninstalled materials, and the provision of a loss.
//!
//! Sources: ASC 606-10-55-16 to 55-21 and 55-187 to 55-192 (uninstalled materials), ASC 605-35-25-45 (provision of losses);
//! IFRS 15 B14 to B19 and IE95 to IE100, IAS 37.66. Amounts are minor units of the contract's currency.

use crate::money::Minor;
use crate::split::proportion_half_up;

/// What a cost report says of one obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct CostReport {
    /// Cost incurred to date, uninstalled materials included.
    pub incurred: Minor,
    /// Cost still to come.
    pub estimate_to_complete: Minor,
    /// Of what was incurred: materials that the customer controls and that are not installed yet. They earn revenue at
    /// their cost, without margin, and are no progress (ASC 606-10-55-187).
    pub uninstalled_materials: Minor,
}

/// One obligation measured by cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostToCost {
    /// The obligation's share of the transaction price.
    pub price: Minor,
    /// The latest report.
    pub report: CostReport,
    /// Decimals of a percent to which progress is rounded, half up, before it is used; `None`: exact. Published examples
    /// round (51.2 %); exact is the default.
    pub progress_decimals: Option<u32>,
}

impl CostToCost {
    /// Cost that is expected in all.
    pub fn expected_cost(&self) -> Minor {
        self.report.incurred + self.report.estimate_to_complete
    }

    /// Price less expected cost; negative: a loss contract.
    pub fn expected_profit(&self) -> Minor {
        self.price - self.expected_cost()
    }

    /// Progress as a fraction: part and whole. Without any cost in all there is none.
    pub fn progress(&self) -> (i128, i128) {
        let materials = self.report.uninstalled_materials;
        let part = (self.report.incurred - materials).max(Minor::ZERO);
        let whole = (self.expected_cost() - materials).max(Minor::ZERO);
        match self.progress_decimals.and_then(|decimals| 10_i128.checked_pow(decimals.min(12).saturating_add(2))) {
            Some(scale) if whole > Minor::ZERO => (proportion_half_up(part, scale, whole.units()).units(), scale),
            _ => (part.units(), whole.units()),
        }
    }

    /// Revenue to date: price × progress, half up; uninstalled materials at cost.
    pub fn revenue_to_date(&self) -> Minor {
        let (part, whole) = self.progress();
        let materials = self.report.uninstalled_materials;
        proportion_half_up(self.price - materials, part, whole) + materials
    }

    /// The provision that brings the cumulative result of a loss contract to the whole expected loss at once; 0 where no
    /// loss is expected.
    pub fn loss_provision(&self) -> Minor {
        let loss = -self.expected_profit();
        if loss <= Minor::ZERO {
            return Minor::ZERO;
        }
        let so_far = self.report.incurred - self.revenue_to_date();
        (loss - so_far).max(Minor::ZERO)
    }

    /// Revenue less cost less provision, to date.
    pub fn gross_profit_to_date(&self) -> Minor {
        self.revenue_to_date() - self.report.incurred - self.loss_provision()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_loss_is_provided_for_where_cost_meets_the_price_though_progress_is_rounded() {
        let minor = Minor::from;
        let report =
            CostReport { incurred: minor(200), estimate_to_complete: minor(100), uninstalled_materials: Minor::ZERO };
        let of = |price: i64, report| CostToCost { price: minor(price), report, progress_decimals: Some(0) };
        let rounded = of(300, report);
        let figures = (rounded.revenue_to_date(), rounded.loss_provision(), rounded.gross_profit_to_date());
        assert_eq!(figures, (minor(201), Minor::ZERO, minor(1)));
        let nothing_yet = of(300, CostReport::default());
        assert_eq!((nothing_yet.revenue_to_date(), nothing_yet.loss_provision()), (Minor::ZERO, Minor::ZERO));
    }
}
