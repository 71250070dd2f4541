//! What is made of many measured values: nothing but order statistics, which a few odd rounds
//! cannot move.

/// Measured values, ascending.
#[derive(Clone, Debug)]
pub struct Figures(Vec<f64>);

impl Figures {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Figures {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        Figures(values)
    }

    /// The value that `share` (0 to 1) of the values do not exceed; NaN when there are none.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The lowest and the highest of the middle half: how far rounds differ.
    pub fn middle(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }
}
