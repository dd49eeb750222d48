//! What two schemas make of the same message. A type that has one name on both sides is compared once, and its
//! differences are kept with the type.

use std::collections::{BTreeMap, BTreeSet};

use crate::shape::{Alternatives, Member, Object, Schema};

/// What the server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Reads,
    Writes,
}

/// A way to differ. The order is that of the page: what may break a client comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Refused,
    MustBeGiven,
    Missing,
    MayBeAbsent,
    NewValue,
    Open,
    NotRead,
    Added,
    AlsoRead,
    AlsoTaken,
    MayBeLeftOut,
    NeverSaid,
    AlwaysSaid,
}

impl Kind {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Refused => "**refused**",
            Self::MustBeGiven => "**must be given**",
            Self::Missing => "**missing**",
            Self::MayBeAbsent => "**may be absent**",
            Self::NewValue => "**new**",
            Self::Open => "open",
            Self::NotRead => "not read",
            Self::Added => "added",
            Self::AlsoRead => "also read",
            Self::AlsoTaken => "also taken",
            Self::MayBeLeftOut => "may be left out",
            Self::NeverSaid => "never said",
            Self::AlwaysSaid => "always said",
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::Refused | Self::MustBeGiven | Self::NotRead | Self::NeverSaid | Self::AlwaysSaid => Verdict::Narrower,
            _ => Verdict::Wider,
        }
    }

    /// Whether a client that was written for the reference may stumble over it.
    pub(crate) fn breaks(self) -> bool {
        self <= Self::NewValue
    }
}

/// How our set of messages lies to the reference's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    #[default]
    Same,
    Narrower,
    Wider,
    Other,
}

impl Verdict {
    pub(crate) const ALL: [Self; 4] = [Self::Same, Self::Narrower, Self::Wider, Self::Other];

    /// The word on the page.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Narrower => "narrower",
            Self::Wider => "wider",
            Self::Other => "other",
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Same, verdict) | (verdict, Self::Same) => verdict,
            (left, right) if left == right => left,
            _ => Self::Other,
        }
    }
}

/// Differences of one message or type, and the shared types that it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    pub(crate) found: BTreeSet<(Kind, String)>,
    pub(crate) types: BTreeSet<String>,
}

/// Compares what goes one way.
pub(crate) struct Comparer {
    side: Side,
    pub(crate) types: BTreeMap<String, Differences>,
}

impl Comparer {
    pub(crate) fn new(side: Side) -> Self {
        Self { side, types: BTreeMap::new() }
    }

    /// Compares a message; the names of its own types do not matter.
    pub(crate) fn message(&mut self, reference: Schema<'_>, ours: Schema<'_>) -> Differences {
        let mut differences = Differences::default();
        self.alternatives(&reference.alternatives(), &ours.alternatives(), "", &mut differences);
        differences
    }

    /// The verdict on a message with all that is in it, and whether it may break a client.
    pub(crate) fn verdict(&self, differences: &Differences) -> (Verdict, bool) {
        let mut seen = BTreeSet::new();
        let mut open = vec![differences];
        let (mut verdict, mut breaks) = (Verdict::Same, false);
        while let Some(differences) = open.pop() {
            for (kind, _) in &differences.found {
                verdict = verdict.and(kind.verdict());
                breaks |= kind.breaks();
            }
            open.extend(
                differences.types.iter().filter(|name| seen.insert(*name)).filter_map(|name| self.types.get(name)),
            );
        }
        (verdict, breaks)
    }

    fn place(&mut self, reference: Schema<'_>, ours: Schema<'_>, path: &str, to: &mut Differences) {
        let (Some((name, reference_type)), Some((our_name, our_type))) = (reference.named(), ours.named()) else {
            return self.alternatives(&reference.alternatives(), &ours.alternatives(), path, to);
        };
        if name != our_name {
            return self.alternatives(&reference.alternatives(), &ours.alternatives(), path, to);
        }
        let null = |schema: Schema<'_>| schema.alternatives().simple.contains("null");
        match (null(reference), null(ours)) {
            (true, false) => to.add(self.less_value(), path, "null"),
            (false, true) => to.add(self.more_value(), path, "null"),
            _ => {}
        }
        to.types.insert(name.to_owned());
        if !self.types.contains_key(name) {
            // Entered before it is looked at: types hold each other.
            self.types.insert(name.to_owned(), Differences::default());
            let differences = self.message(reference_type, our_type);
            self.types.insert(name.to_owned(), differences);
        }
    }

    fn alternatives(
        &mut self,
        reference: &Alternatives<'_>,
        ours: &Alternatives<'_>,
        path: &str,
        to: &mut Differences,
    ) {
        match (reference.any, ours.any) {
            (true, true) => return,
            (true, false) => return to.add(self.less_value(), path, "some values"),
            (false, true) => return to.add(self.open(), path, "any value"),
            (false, false) if ours.is_empty() && !reference.is_empty() => {
                return to.add(self.less_value(), path, "anything");
            }
            (false, false) => {}
        }
        self.simple(reference, ours, path, to);
        match (reference.elements.first(), ours.elements.first()) {
            (Some(reference), Some(ours)) => self.place(*reference, *ours, &format!("{path}[]"), to),
            (Some(_), None) => to.add(self.less_value(), path, "a list"),
            (None, Some(_)) => to.add(self.more_value(), path, "a list"),
            (None, None) => {}
        }
        self.objects(&reference.objects, &ours.objects, path, to);
    }

    /// Compares the objects of a union, each with the one that has its tag.
    fn objects(&mut self, reference: &[Object<'_>], ours: &[Object<'_>], path: &str, to: &mut Differences) {
        if let ([reference], [ours]) = (reference, ours) {
            return self.object(reference, ours, path, to);
        }
        let tags: Vec<String> = reference.iter().map(Object::tag).collect();
        let our_tags: Vec<String> = ours.iter().map(Object::tag).collect();
        for (object, tag) in reference.iter().zip(&tags) {
            // Several forms under one tag are told apart by what they must have.
            let forms = tags.iter().filter(|known| *known == tag).count();
            let fits = |form: &Object<'_>| forms == 1 || object.required().all(|name| form.members.contains_key(name));
            match ours.iter().zip(&our_tags).find(|(form, known)| *known == tag && fits(form)) {
                Some((form, _)) => self.object(object, form, &format!("{path}({tag})"), to),
                None if forms == 1 => to.add(self.less_value(), path, &format!("{{{tag}}}")),
                None => {
                    let required = object.required().collect::<Vec<_>>().join(", ");
                    to.add(self.less_value(), path, &format!("{{{tag}; {required}}}"));
                }
            }
        }
        for tag in our_tags.iter().filter(|tag| !tags.contains(tag)) {
            to.add(self.more_value(), path, &format!("{{{tag}}}"));
        }
    }

    fn simple(&self, reference: &Alternatives<'_>, ours: &Alternatives<'_>, path: &str, to: &mut Differences) {
        let has = |all: &Alternatives<'_>, kind: &str| {
            all.simple.contains(kind) || kind == "integer" && all.simple.contains("number")
        };
        for kind in reference.simple.iter().filter(|kind| !has(ours, kind)) {
            let rest = if *kind == "string" && !ours.literals.is_empty() { "other texts" } else { kind };
            to.add(self.less_value(), path, rest);
        }
        for kind in ours.simple.iter().filter(|kind| !has(reference, kind)) {
            match *kind {
                // Ours lists the values that it knows, and takes or passes on others.
                "string" if !reference.literals.is_empty() => to.add(self.open(), path, "any text"),
                kind => to.add(self.more_value(), path, kind),
            }
        }
        let less = reference.literals.difference(&ours.literals).filter(|_| !has(ours, "string"));
        less.for_each(|literal| to.add(self.less_value(), path, literal));
        let more = ours.literals.difference(&reference.literals).filter(|_| !has(reference, "string"));
        more.for_each(|literal| to.add(self.more_value(), path, literal));
    }

    fn object(&mut self, reference: &Object<'_>, ours: &Object<'_>, path: &str, to: &mut Differences) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        for (name, member) in &reference.members {
            match ours.members.get(name) {
                Some(our_member) => self.member(*member, *our_member, &below(name), to),
                None => drop(to.found.insert((self.less_member(*member), below(name)))),
            }
        }
        for (name, member) in ours.members.iter().filter(|(name, _)| !reference.members.contains_key(*name)) {
            // Our own additions have one name everywhere, and strict mode leaves them out.
            if *name != "valet" {
                to.found.insert((self.more_member(*member), below(name)));
            }
        }
        match (reference.rest, ours.rest) {
            (Some(reference), Some(ours)) => self.place(reference, ours, &below("*"), to),
            (Some(_), None) if ours.members.is_empty() || self.side == Side::Reads => {
                to.add(self.less_value(), path, "members of any name");
            }
            _ => {}
        }
    }

    fn member(&mut self, reference: Member<'_>, ours: Member<'_>, path: &str, to: &mut Differences) {
        let kind = match (self.side, reference.required, ours.required) {
            (Side::Reads, false, true) => Some(Kind::MustBeGiven),
            (Side::Reads, true, false) => Some(Kind::MayBeLeftOut),
            (Side::Writes, true, false) => Some(Kind::MayBeAbsent),
            // The reference's schema says of everything that may be null that it may be absent.
            (Side::Writes, false, true) if !nullable(reference) => Some(Kind::AlwaysSaid),
            _ => None,
        };
        to.found.extend(kind.map(|kind| (kind, path.to_owned())));
        self.place(reference.schema, ours.schema, path, to);
    }

    fn less_member(&self, member: Member<'_>) -> Kind {
        match self.side {
            Side::Reads => Kind::NotRead,
            Side::Writes if member.required => Kind::Missing,
            Side::Writes => Kind::NeverSaid,
        }
    }

    fn more_member(&self, member: Member<'_>) -> Kind {
        match self.side {
            Side::Reads if member.required => Kind::MustBeGiven,
            Side::Reads => Kind::AlsoRead,
            Side::Writes => Kind::Added,
        }
    }

    fn less_value(&self) -> Kind {
        if self.side == Side::Reads { Kind::Refused } else { Kind::NeverSaid }
    }

    fn more_value(&self) -> Kind {
        if self.side == Side::Reads { Kind::AlsoTaken } else { Kind::NewValue }
    }

    fn open(&self) -> Kind {
        if self.side == Side::Reads { Kind::AlsoTaken } else { Kind::Open }
    }
}

impl Differences {
    /// Notes that a place has a value more or less.
    fn add(&mut self, kind: Kind, path: &str, value: &str) {
        let place = if path.is_empty() { value.to_owned() } else { format!("{path} = {value}") };
        self.found.insert((kind, place));
    }
}

fn nullable(member: Member<'_>) -> bool {
    member.schema.alternatives().simple.contains("null")
}
