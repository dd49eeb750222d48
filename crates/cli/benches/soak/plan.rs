//! What may happen, and how often: all of it is drawn from one seed. Nothing here acts.

use valet_store::generator::Dice;

/// What the backend does with a turn. Its word goes to the backend in what the person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Play {
    /// Answers at once.
    Plain,
    /// Answers in hundreds of pieces.
    Many,
    /// Cuts the first stream in its middle.
    Cut,
    /// 429 first.
    TooMany,
    /// 500 or 503 first.
    Broken,
    /// 503, however often it is asked.
    Busy,
    /// The account's limit is reached.
    Limit,
    /// The stream says that it failed.
    Failed,
    /// The stream says that it is incomplete.
    Incomplete,
    /// 401: the token is good no more.
    Unauthorized,
    /// A short command.
    Command,
    /// A command that leaves a daemon, and does not end.
    Daemon,
    /// A command that a person is asked about.
    Approval,
    /// Half a second of words.
    Slow,
    /// Begins, and says nothing.
    Silent,
    /// Megabytes of words.
    Big,
}

/// Every play, its word, and how often it is drawn, of [`DRAWN`].
pub(crate) const PLAYS: &[(Play, &str, u64)] = &[
    (Play::Plain, "plain", 678),
    (Play::Many, "many deltas", 30),
    (Play::Cut, "stream cut", 40),
    (Play::TooMany, "429", 20),
    (Play::Broken, "500 or 503", 20),
    (Play::Busy, "503 for good", 4),
    (Play::Limit, "usage limit", 15),
    (Play::Failed, "response.failed", 10),
    (Play::Incomplete, "response.incomplete", 10),
    (Play::Unauthorized, "401", 60),
    (Play::Command, "command", 40),
    (Play::Daemon, "command with daemon", 5),
    (Play::Approval, "approval", 25),
    (Play::Slow, "slow stream", 35),
    (Play::Silent, "silent stream", 8),
    (Play::Big, "8 MiB", 0),
];

const DRAWN: u64 = 1000;

impl Play {
    /// A play by chance.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let weighted: Vec<_> = PLAYS.iter().map(|(play, _, weight)| (*play, *weight)).collect();
        debug_assert_eq!(weighted.iter().map(|(_, weight)| weight).sum::<u64>(), DRAWN);
        one_of(dice, &weighted)
    }

    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        PLAYS.iter().find(|(play, ..)| *play == self).map_or("", |(_, word, _)| word)
    }

    /// The play of a word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        PLAYS.iter().find(|(_, known, _)| *known == word).map(|(play, ..)| *play)
    }

    /// Whether the turn ends by itself, whatever its clients do.
    pub(crate) fn ends(self) -> bool {
        !matches!(self, Self::Silent | Self::Daemon | Self::Approval)
    }

    /// Whether it lasts long enough for something to be done meanwhile.
    pub(crate) fn lasts(self) -> bool {
        matches!(self, Self::Slow | Self::Silent | Self::Daemon)
    }

    /// Whether the backend wants it to fail.
    pub(crate) fn fails(self) -> bool {
        matches!(self, Self::Busy | Self::Limit | Self::Failed | Self::Incomplete)
    }
}

/// How a parent answers when it is asked for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lending {
    /// With a good one.
    Good,
    /// With a good one that runs out in minutes, so that the next is asked for ahead of that.
    Short,
    /// With a good one, after the deadline.
    Late,
    /// With an error.
    Refused,
    /// With one that the backend knows to have expired.
    Expired,
    /// With another account's.
    Other,
    /// With something that is no answer.
    Malformed,
    /// Not at all.
    Never,
    /// It leaves.
    Leaves,
}

impl Lending {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let weighted = [
            (Self::Good, 76),
            (Self::Short, 4),
            (Self::Late, 2),
            (Self::Refused, 5),
            (Self::Expired, 3),
            (Self::Other, 3),
            (Self::Malformed, 2),
            (Self::Never, 2),
            (Self::Leaves, 3),
        ];
        one_of(dice, &weighted)
    }
}

/// What is done while a turn lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    Wait,
    Interrupt,
    Steer,
    Archive,
    Delete,
    Leave,
}

impl Meanwhile {
    pub(crate) fn draw(dice: &mut Dice, play: Play) -> Self {
        let wait = if play.ends() { 30 } else { 0 };
        let steer = if play == Play::Slow { 20 } else { 0 };
        let weighted = [
            (Self::Wait, wait),
            (Self::Interrupt, 40),
            (Self::Steer, steer),
            (Self::Archive, 5),
            (Self::Delete, 5),
            (Self::Leave, 15),
        ];
        one_of(dice, &weighted)
    }
}

/// How a client goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// With a close frame.
    Closed,
    /// The stream just ends.
    Dropped,
    /// The stream is reset.
    Reset,
    /// It says and reads nothing more, and nobody tells the host.
    Silent,
}

impl Leave {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        one_of(dice, &[(Self::Closed, 60), (Self::Dropped, 18), (Self::Reset, 20), (Self::Silent, 2)])
    }
}

/// One of these by their weights.
pub(crate) fn one_of<T: Copy>(dice: &mut Dice, weighted: &[(T, u64)]) -> T {
    let mut left = dice.below(weighted.iter().map(|(_, weight)| weight).sum());
    for (choice, weight) in weighted {
        if left < *weight {
            return *choice;
        }
        left -= weight;
    }
    weighted[0].0
}
