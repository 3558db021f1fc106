//! Splitting an amount without loss: largest remainder, ties to the earlier share.

use rust_decimal::Decimal;

use crate::money::Minor;

/// Splits `total` minor units in proportion to `weights`. The shares sum to `total` exactly; what rounding down leaves
/// goes, a unit each, to the largest remainders, ties to the earlier. A negative total is split like its opposite.
/// Without any positive weight all shares are 0.
pub fn largest_remainder(total: i64, weights: &[Decimal]) -> Vec<i64> {
    let scale = weights.iter().map(Decimal::scale).max().unwrap_or(0);
    let whole: Vec<i128> = weights
        .iter()
        .map(|weight| {
            let factor = 10_i128.checked_pow(scale.saturating_sub(weight.scale())).unwrap_or(1);
            weight.mantissa().saturating_mul(factor).max(0)
        })
        .collect();
    split(total, &whole)
}

/// [`largest_remainder`] over whole weights.
pub fn split(total: i64, weights: &[i128]) -> Vec<i64> {
    let sum: i128 = weights.iter().sum();
    if sum <= 0 {
        return vec![0; weights.len()];
    }
    let (sign, magnitude) = (i128::from(total.signum()), i128::from(total).abs());
    let mut shares: Vec<i128> = Vec::with_capacity(weights.len());
    let mut remainders: Vec<(i128, usize)> = Vec::with_capacity(weights.len());
    for (index, weight) in weights.iter().enumerate() {
        let (share, remainder) = divide(magnitude, *weight, sum);
        shares.push(share);
        remainders.push((remainder, index));
    }
    let left = magnitude.saturating_sub(shares.iter().sum());
    remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, index) in remainders.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        if let Some(share) = shares.get_mut(index) {
            *share = share.saturating_add(1);
        }
    }
    shares.into_iter().map(|share| i64::try_from(share.saturating_mul(sign)).unwrap_or(0)).collect()
}

/// [`split`] of an amount.
pub fn shares(total: Minor, weights: &[i128]) -> Vec<Minor> {
    split(i64::try_from(total.units()).unwrap_or(0), weights).into_iter().map(Minor::from).collect()
}

/// `magnitude × weight ÷ sum` and its remainder, also where the product is beyond 128 bits.
fn divide(magnitude: i128, weight: i128, sum: i128) -> (i128, i128) {
    match magnitude.checked_mul(weight) {
        Some(product) => (product.div_euclid(sum), product.rem_euclid(sum)),
        None => {
            // Weights this large carry more digits than any amount: dropping their last ones moves no minor unit.
            let shrink = 1_000_000_000_i128;
            divide(magnitude, weight.div_euclid(shrink), sum.div_euclid(shrink).max(1))
        }
    }
}

/// `amount × part ÷ whole`, half away from zero; 0 for a whole of 0.
pub fn proportion_half_up(amount: i64, part: i128, whole: i128) -> i64 {
    if whole <= 0 {
        return 0;
    }
    i64::try_from(half_up(i128::from(amount).saturating_mul(part), whole)).unwrap_or(0)
}

/// `amount × percent ÷ 100`, half-up to the minor unit; the percent is from 0 to 100 with few decimals.
pub(crate) fn percent_half_up(amount: Minor, percent: Decimal) -> Minor {
    let whole = 10_i128.checked_pow(percent.scale().saturating_add(2)).unwrap_or(1);
    let part = half_up(amount.units().saturating_mul(percent.mantissa()), whole);
    Minor::from(i64::try_from(part).unwrap_or_default())
}

/// `part ÷ whole`, half away from zero; `whole` is above 0.
pub fn half_up(part: i128, whole: i128) -> i128 {
    let doubled = part.abs().saturating_mul(2).saturating_add(whole);
    doubled.checked_div_euclid(whole.saturating_mul(2)).unwrap_or(0).saturating_mul(part.signum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_the_total_and_ties_go_to_the_earlier() {
        assert_eq!(split(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(split(-100, &[1, 1, 1]), [-34, -33, -33]);
        assert_eq!(split(7, &[0, 0]), [0, 0]);
        assert_eq!(
            largest_remainder(1_000_001, &["30", "50.0", "20"].map(|text| text.parse().unwrap())),
            [300_000, 500_001, 200_000]
        );
    }

    #[test]
    fn a_half_rounds_away_from_zero() {
        assert_eq!(proportion_half_up(5, 1, 2), 3);
        assert_eq!(proportion_half_up(-5, 1, 2), -3);
        assert_eq!(proportion_half_up(1, 1, 0), 0);
    }
}
