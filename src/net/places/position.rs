//! Points on the globe, and how far apart they are.

/// Mean radius of the earth (IUGG).
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// A point on the globe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    latitude: f64,
    longitude: f64,
}

impl Position {
    /// From degrees, north and east positive; none for what is not on the globe.
    pub fn new(latitude: f64, longitude: f64) -> Option<Position> {
        let on_globe = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        on_globe.then_some(Position { latitude, longitude })
    }

    /// The way along the great circle (haversine formula), in kilometres.
    pub fn distance_km(self, other: Position) -> f64 {
        let (from, to) = (self.latitude.to_radians(), other.latitude.to_radians());
        let north = ((to - from) / 2.0).sin();
        let east = ((other.longitude - self.longitude).to_radians() / 2.0).sin();
        let chord = north * north + from.cos() * to.cos() * east * east;
        2.0 * EARTH_RADIUS_KM * chord.clamp(0.0, 1.0).sqrt().asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Position {
        Position::new(latitude, longitude).unwrap()
    }

    #[test]
    fn distances_are_those_of_the_atlas() {
        let (berlin, sydney) = (at(52.52, 13.405), at(-33.8688, 151.2093));
        let table = [
            (berlin, at(48.8566, 2.3522), 878.0),
            (berlin, sydney, 16_090.0),
            (at(0.0, 179.9), at(0.0, -179.9), 22.2),
            (at(90.0, 0.0), at(-90.0, 77.0), 20_015.0),
            (berlin, berlin, 0.0),
        ];
        for (from, to, km) in table {
            let distance = from.distance_km(to);
            assert!((distance - km).abs() <= km * 0.005 + 0.01, "{from:?} {to:?} {distance}");
            assert!((distance - to.distance_km(from)).abs() < 1e-6);
        }
    }

    #[test]
    fn what_is_not_on_the_globe_is_no_position() {
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.5), (f64::NAN, 0.0)] {
            assert_eq!(Position::new(latitude, longitude), None);
        }
    }
}
