//! What growing has cost.

use super::Host;
use crate::Growth;

impl Host {
    /// What the tables of this host have spent on growing so far: the index of tuples, the pages of connections,
    /// half-open ones, listeners and TIME-WAITs, the timing wheel. The counting is always on.
    ///
    /// For proving a bound: take it before and after a call. However much the host holds, no call may move more than
    /// 20,000 entries or initialise more than 1 MiB.
    pub fn growth(&self) -> Growth {
        let mut all = self.demux.growth();
        for part in [
            self.connections.growth(),
            self.half_open.growth(),
            self.listeners.growth(),
            self.time_wait_4.growth(),
            self.time_wait_6.growth(),
            self.wheel.growth(),
        ] {
            all += part;
        }
        all
    }
}
