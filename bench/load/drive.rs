//! The load: one thread that drives many connections, as cheap as it can be, so that what is
//! measured is the server.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use crate::figures::Figures;
use crate::process::Process;
use crate::wire::Connection;

/// Not counted: caches fill, connections settle.
const WARM_UP: Duration = Duration::from_millis(300);

/// How requests follow each other.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each connection sends as soon as it has its answer.
    Saturating,
    /// So many a second in all, whatever the answers do. A request that finds no connection free
    /// waits, and the wait counts.
    PerSecond(f64),
}

/// A stretch of load on one server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub connections: usize,
    pub pace: Pace,
    pub time: Duration,
}

/// What one stretch of load gave.
#[derive(Clone, Debug)]
pub struct Round {
    pub per_second: f64,
    /// The server's CPU time per request.
    pub cpu_micros: f64,
    /// From when a request was due to the end of its answer.
    pub latency_micros: Figures,
}

/// Drives `server` with `requests`, one after the other and over again.
pub fn drive<'a>(
    server: &Process,
    requests: &mut impl Iterator<Item = &'a [u8]>,
    load: Load,
) -> Round {
    let mut crowd = Crowd::open(server, load);
    crowd.run(requests, load.pace, WARM_UP);
    crowd.latencies.clear();
    let (started, cpu) = (Instant::now(), server.cpu_micros());
    crowd.run(requests, load.pace, load.time);
    let (took, cpu) = (started.elapsed(), server.cpu_micros() - cpu);
    let answers = crowd.latencies.len() as f64;
    Round {
        per_second: answers / took.as_secs_f64(),
        cpu_micros: cpu / answers,
        latency_micros: Figures::of(crowd.latencies.iter().map(|it| it.as_secs_f64() * 1e6)),
    }
}

struct Crowd {
    connections: Vec<Connection>,
    poll: rustix::fd::OwnedFd,
    idle: Vec<usize>,
    latencies: Vec<Duration>,
}

impl Crowd {
    fn open(server: &Process, load: Load) -> Crowd {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let open = |_| Connection::open(server.address);
        let connections: Vec<Connection> = (0..load.connections).map(open).collect();
        for (at, connection) in connections.iter().enumerate() {
            let tag = epoll::EventData::new_u64(at as u64);
            epoll::add(&poll, connection.fd(), tag, epoll::EventFlags::IN).unwrap();
        }
        Crowd { idle: (0..connections.len()).collect(), connections, poll, latencies: Vec::new() }
    }

    /// Sends for `time` and then waits until every answer is here.
    fn run<'a>(
        &mut self,
        requests: &mut impl Iterator<Item = &'a [u8]>,
        pace: Pace,
        time: Duration,
    ) {
        let started = Instant::now();
        let (end, mut schedule) = (started + time, Schedule::new(pace, started));
        loop {
            let now = Instant::now();
            while now < end
                && let Some(at) = self.idle.last().copied()
                && let Some(due) = schedule.next(now)
            {
                self.idle.pop();
                self.connections[at].send(requests.next().unwrap(), due);
            }
            if end <= now && self.idle.len() == self.connections.len() {
                return;
            }
            self.listen(schedule.wait(now).unwrap_or(end.saturating_duration_since(now)));
        }
    }

    fn listen(&mut self, wait: Duration) {
        // Past the end nothing is due any more, and answers are all there is to wait for.
        let wait = if wait.is_zero() { Duration::from_millis(10) } else { wait };
        let mut events = Vec::with_capacity(self.connections.len());
        let timeout = Timespec::try_from(wait).unwrap();
        let room = rustix::buffer::spare_capacity(&mut events);
        epoll::wait(&self.poll, room, Some(&timeout)).unwrap();
        for event in &events {
            let data = event.data;
            let at = data.u64() as usize;
            if self.connections[at].receive() {
                self.latencies.push(self.connections[at].due.elapsed());
                self.idle.push(at);
            }
        }
    }
}

/// When requests are due.
enum Schedule {
    AtOnce,
    Paced { next: Instant, every: Duration, late: VecDeque<Instant> },
}

impl Schedule {
    fn new(pace: Pace, now: Instant) -> Schedule {
        match pace {
            Pace::Saturating => Schedule::AtOnce,
            Pace::PerSecond(rate) => Schedule::Paced {
                next: now,
                every: Duration::from_secs_f64(1.0 / rate),
                late: VecDeque::new(),
            },
        }
    }

    /// When the next request was due, if one is.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        let Schedule::Paced { next, every, late } = self else { return Some(now) };
        while *next <= now {
            late.push_back(*next);
            *next += *every;
        }
        late.pop_front()
    }

    /// How long nothing will be due; none when answers decide that.
    fn wait(&self, now: Instant) -> Option<Duration> {
        match self {
            Schedule::AtOnce => None,
            Schedule::Paced { next, .. } => Some(next.saturating_duration_since(now)),
        }
    }
}
