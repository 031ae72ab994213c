//! How figures are told: ours, the floor, their ratio, and whether the aim is met.

use std::time::Duration;

use crate::load::Samples;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

impl Aim {
    fn told(self, value: f64) -> String {
        let (met, sign, bound) = match self {
            Aim::AtLeast(bound) => (value >= bound, '≥', bound),
            Aim::AtMost(bound) => (value <= bound, '≤', bound),
        };
        format!("aim {sign} {bound}: {}", if met { "met" } else { "MISSED" })
    }
}

/// One line: what was measured, and a text about it.
pub fn line(label: &str, text: &str) {
    println!("  {label:<26} {text}");
}

/// One line with a figure that has an aim of its own.
pub fn figure(label: &str, value: f64, unit: &str, aim: Aim) {
    line(label, &format!("{value:.2} {unit} ({})", aim.told(value)));
}

/// Ours against the floor, from rates of the same rounds: the ratio of the totals, and its spread over rounds.
pub fn ratio(label: &str, ours: &[Samples], floor: &[Samples], aim: Aim) {
    let per_round: Vec<f64> = ours.iter().zip(floor).map(|(a, b)| a.rate() / b.rate()).collect();
    let total = total_rate(ours) / total_rate(floor);
    ratio_of(label, total, &per_round, aim);
}

/// A ratio that was computed elsewhere, with that of each round.
pub fn ratio_of(label: &str, total: f64, per_round: &[f64], aim: Aim) {
    let least = per_round.iter().copied().fold(f64::INFINITY, f64::min);
    let most = per_round.iter().copied().fold(0.0, f64::max);
    let rounds = per_round.len();
    line(
        label,
        &format!("ratio {total:.2} ({}; {least:.2} to {most:.2} over {rounds} rounds)", aim.told(total)),
    );
}

/// Operations per second over all rounds.
pub fn total_rate(rounds: &[Samples]) -> f64 {
    let count: usize = rounds.iter().map(|samples| samples.latencies.len()).sum();
    let seconds: f64 = rounds.iter().map(|samples| samples.elapsed.as_secs_f64()).sum();
    count as f64 / seconds
}

/// `p50 1.2 ms, p99 3.4 ms` of exact samples.
pub fn percentiles(rounds: &[Samples]) -> String {
    let mut all: Vec<Duration> =
        rounds.iter().flat_map(|samples| samples.latencies.iter().copied()).collect();
    all.sort_unstable();
    format!(
        "p50 {}, p99 {}, n {}",
        milliseconds(quantile(&all, 50)),
        milliseconds(quantile(&all, 99)),
        all.len()
    )
}

/// The smallest sample that so many per cent of all do not exceed.
pub fn quantile(sorted: &[Duration], per_cent: usize) -> Duration {
    let rank = (sorted.len() * per_cent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

pub fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

/// With a separator between thousands.
pub fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.max(0.0));
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
