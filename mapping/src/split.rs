//! Splitting an amount without loss: largest remainder, ties to the earlier share; and parts of an amount, half-up.

use rust_decimal::Decimal;

use crate::money::Minor;

/// Splits `total` in proportion to `weights`. The shares sum to `total` exactly; what rounding down leaves goes, a minor unit
/// each, to the largest remainders, ties to the earlier. A negative total is split like its opposite. Without any positive
/// weight all shares are 0.
pub fn largest_remainder(total: Minor, weights: &[Decimal]) -> Vec<Minor> {
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
pub fn split(total: Minor, weights: &[i128]) -> Vec<Minor> {
    let sum: i128 = weights.iter().sum();
    if sum <= 0 {
        return vec![Minor::ZERO; weights.len()];
    }
    let magnitude = total.abs().units();
    let mut shares: Vec<i128> = Vec::with_capacity(weights.len());
    let mut remainders: Vec<(i128, usize)> = Vec::with_capacity(weights.len());
    for (index, weight) in weights.iter().enumerate() {
        let (share, remainder) = proportion(magnitude, *weight, sum);
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
    shares.into_iter().map(|share| Minor::of_units(share.saturating_mul(total.units().signum()))).collect()
}

/// `amount × part ÷ whole` and its remainder, exact also where the product is beyond 128 bits.
fn proportion(amount: i128, part: i128, whole: i128) -> (i128, i128) {
    if let Some(product) = amount.checked_mul(part) {
        return (product.div_euclid(whole), product.rem_euclid(whole));
    }
    // By hand, a byte of the amount at a time, from its first one.
    let (mut quotient, mut remainder) = (0_i128, 0_i128);
    for byte in amount.to_be_bytes() {
        let carried = remainder.saturating_mul(256).saturating_add(i128::from(byte).saturating_mul(part));
        quotient = quotient.saturating_mul(256).saturating_add(carried.div_euclid(whole));
        remainder = carried.rem_euclid(whole);
    }
    (quotient, remainder)
}

/// `amount × part ÷ whole`, half away from zero; 0 for a whole of 0. The part is not negative.
pub fn proportion_half_up(amount: Minor, part: i128, whole: i128) -> Minor {
    if whole <= 0 || part < 0 {
        return Minor::ZERO;
    }
    let (down, remainder) = proportion(amount.abs().units(), part, whole);
    let up = i128::from(remainder >= whole.saturating_sub(remainder));
    Minor::of_units(down.saturating_add(up).saturating_mul(amount.units().signum()))
}

/// `amount × percent ÷ 100`, half-up to the minor unit.
pub(crate) fn percent_half_up(amount: Minor, percent: Decimal) -> Minor {
    let whole = 10_i128.checked_pow(percent.scale().saturating_add(2)).unwrap_or(i128::MAX);
    proportion_half_up(amount, percent.mantissa(), whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(total: i64, weights: &[i128]) -> Vec<i128> {
        split(total.into(), weights).into_iter().map(Minor::units).collect()
    }

    #[test]
    fn shares_sum_to_the_total_and_ties_go_to_the_earlier() {
        assert_eq!(shares(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(shares(-100, &[1, 1, 1]), [-34, -33, -33]);
        assert_eq!(shares(7, &[0, 0]), [0, 0]);
        let percents = ["30", "50.0", "20"].map(|text| text.parse().unwrap());
        let split = largest_remainder(1_000_001.into(), &percents);
        assert_eq!(split, [300_000, 500_001, 200_000].map(Minor::from));
    }

    #[test]
    fn shares_of_weights_with_many_digits_are_exact() {
        let third: Decimal = "33.3333333333333333333333333".parse().unwrap();
        let rest: Decimal = "33.3333333333333333333333334".parse().unwrap();
        let split = largest_remainder(i64::MAX.into(), &[third, third, rest]);
        assert_eq!(split.iter().copied().sum::<Minor>(), i64::MAX.into());
        assert_eq!(split[0].units(), i128::from(i64::MAX) / 3);
    }

    #[test]
    fn a_half_rounds_away_from_zero() {
        assert_eq!(proportion_half_up(5.into(), 1, 2).units(), 3);
        assert_eq!(proportion_half_up((-5).into(), 1, 2).units(), -3);
        assert_eq!(proportion_half_up(1.into(), 1, 0), Minor::ZERO);
        assert_eq!(percent_half_up(1.into(), "49.9999".parse().unwrap()), Minor::ZERO);
        assert_eq!(percent_half_up(1.into(), "50".parse().unwrap()).units(), 1);
    }
}
