//! The issuer's book: every credential and every refresh token it has seen, and what they are
//! still good for.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use crate::{
    jwt,
    log::fingerprint,
    script::TokenPolicy,
    step::millis,
    tokens::{
        Grant, IssuedToken, RefreshError, RefreshRequest, Refusal,
        grant::{Family, GrantedRefresh, RefreshToken},
        unix_millis, unix_seconds,
    },
};

#[derive(Default)]
pub(super) struct Book {
    pub(super) policy: TokenPolicy,
    credentials: HashMap<String, Credential>,
    accounts: HashSet<String>,
    /// In no order; that of their issue is in the families.
    refresh_tokens: HashMap<String, RefreshToken>,
    families: Vec<Family>,
}

struct Credential {
    uses_left: Option<u64>,
    expires: Option<SystemTime>,
    /// Position of the family; `None`: it came from elsewhere.
    family: Option<usize>,
}

impl Credential {
    /// A credential that came from elsewhere: good until it is expired by hand.
    const fn foreign() -> Self {
        Self { uses_left: None, expires: None, family: None }
    }

    fn is_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= SystemTime::now())
    }

    fn expire(&mut self) {
        self.expires = Some(SystemTime::UNIX_EPOCH);
    }

    fn spend(&mut self) -> Result<(), Refusal> {
        if self.is_expired() || self.uses_left == Some(0) {
            return Err(Refusal::Expired);
        }
        self.uses_left = self.uses_left.map(|left| left - 1);
        Ok(())
    }
}

impl Book {
    pub(super) fn new(policy: TokenPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Begins a grant with its first tokens.
    pub(super) fn grant(&mut self, family: Family, uses: Option<u64>, lifetime: Option<Duration>) -> IssuedToken {
        self.families.push(family);
        self.issue(self.families.len() - 1, uses, lifetime)
    }

    fn issue(&mut self, family: usize, uses: Option<u64>, lifetime: Option<Duration>) -> IssuedToken {
        let now = SystemTime::now();
        let lifetime = lifetime.unwrap_or(Duration::from_millis(self.policy.lifetime_ms));
        let expires = now + lifetime;
        let Family { owner, client_id, .. } = &self.families[family];
        let token = IssuedToken {
            access_token: owner.access_token(expires),
            id_token: owner.id_token(client_id.as_deref(), expires),
            refresh_token: format!("rt_{}", Uuid::new_v4().simple()),
            account_id: owner.account.clone(),
            user_id: owner.user.clone(),
            email: owner.email.clone(),
            plan: owner.plan.clone(),
            expires_at: unix_seconds(expires),
            expires_in: lifetime.as_secs(),
        };

        let is_first = self.accounts.insert(token.account_id.clone());
        let by_policy = if is_first { self.policy.first_uses.or(self.policy.uses) } else { self.policy.uses };
        let uses_left = uses.or(by_policy);
        let credential = Credential { uses_left, expires: Some(expires), family: Some(family) };
        self.credentials.insert(token.access_token.clone(), credential);
        let expires = self.policy.refresh_lifetime_ms.map(|lifetime| now + Duration::from_millis(lifetime));
        self.refresh_tokens.insert(token.refresh_token.clone(), RefreshToken { family, expires, spent: None });
        self.families[family].refresh_tokens.push(token.refresh_token.clone());
        token
    }

    /// Redeems a refresh token, and notes the attempt on the page of its grant.
    pub(super) fn refresh(&mut self, request: &RefreshRequest<'_>) -> Result<IssuedToken, RefreshError> {
        let now = SystemTime::now();
        let family = self.refresh_tokens.get(request.refresh_token).ok_or(RefreshError::Unknown)?.family;
        let result = self.redeem(request, now);
        let refused = result.as_ref().err().copied();
        let reuse_ends_it = refused == Some(RefreshError::Reused) && self.policy.reuse_revokes;
        let family = &mut self.families[family];
        family.revoked |= reuse_ends_it;
        family.note(request.refresh_token, unix_millis(now), request.reason, refused);
        result
    }

    fn redeem(&mut self, request: &RefreshRequest<'_>, now: SystemTime) -> Result<IssuedToken, RefreshError> {
        let entry = self.refresh_tokens.get(request.refresh_token).ok_or(RefreshError::Unknown)?;
        let family = &self.families[entry.family];
        if family.revoked {
            return Err(RefreshError::Revoked);
        }
        if family.client_id.is_some() && family.client_id.as_deref() != request.client_id {
            return Err(RefreshError::OtherClient);
        }
        if let Some((at, successor)) = &entry.spent {
            let since = now.duration_since(*at).map_or(0, millis);
            return if since < self.policy.refresh_grace_ms {
                Ok(successor.clone())
            } else {
                Err(RefreshError::Reused)
            };
        }
        if entry.expires.is_some_and(|expires| expires <= now) {
            return Err(RefreshError::Expired);
        }
        let successor = self.issue(entry.family, None, None);
        if let Some(entry) = self.refresh_tokens.get_mut(request.refresh_token) {
            entry.spent = Some((now, successor.clone()));
        }
        Ok(successor)
    }

    pub(super) fn expire(&mut self, token: &str) {
        self.credentials.entry(token.to_owned()).or_insert_with(Credential::foreign).expire();
    }

    pub(super) fn expire_all(&mut self) -> usize {
        let good = self.credentials.values_mut().filter(|credential| !credential.is_expired());
        good.map(Credential::expire).count()
    }

    /// Ends a refresh token's time. `name` is the token or its fingerprint. Returns whether there
    /// is such a token.
    pub(super) fn expire_refresh(&mut self, name: &str) -> bool {
        let found = self.refresh_tokens.iter_mut().find(|(token, _)| is_named(token, name));
        found.map(|(_, entry)| entry.expires = Some(SystemTime::UNIX_EPOCH)).is_some()
    }

    /// Ends the grant of a token, which may be named by its fingerprint. Returns whether there is one.
    pub(super) fn revoke(&mut self, name: &str) -> bool {
        let by_refresh =
            || self.refresh_tokens.iter().find(|(token, _)| is_named(token, name)).map(|(_, entry)| entry.family);
        let by_access =
            || self.credentials.iter().find(|(token, _)| is_named(token, name)).and_then(|(_, entry)| entry.family);
        let family = by_refresh().or_else(by_access);
        if let Some(family) = family {
            self.families[family].revoked = true;
        }
        family.is_some()
    }

    pub(super) fn grants(&self) -> Vec<Grant> {
        let now = SystemTime::now();
        let token = |token: &String| {
            let state = self.refresh_tokens.get(token)?.state(now);
            Some(GrantedRefresh { fingerprint: fingerprint(token), state })
        };
        let shown = |family: &Family| family.shown(family.refresh_tokens.iter().filter_map(token).collect());
        self.families.iter().map(shown).collect()
    }

    pub(super) fn admit_turn(&mut self, bearer: Option<&str>) -> Result<(), Refusal> {
        let Some(token) = bearer else {
            return if self.policy.anonymous { Ok(()) } else { Err(Refusal::Missing) };
        };
        self.refuse_revoked(token)?;
        if let Some(credential) = self.credentials.get_mut(token) {
            credential.spend()?;
            if credential.family.is_some() {
                return Ok(());
            }
        }
        // What came from elsewhere is as good as the policy says now, also if another one took it before.
        if jwt::decode(token).is_some() {
            if !self.policy.accept_unknown {
                return Err(Refusal::Unknown);
            }
        } else if let Some(keys) = &self.policy.api_keys
            && !keys.iter().any(|key| key == token)
        {
            return Err(Refusal::BadKey);
        }
        self.credentials.entry(token.to_owned()).or_insert_with(Credential::foreign);
        Ok(())
    }

    pub(super) fn admit_side_call(&self, bearer: Option<&str>) -> Result<(), Refusal> {
        let Some(token) = bearer else { return Ok(()) };
        self.refuse_revoked(token)?;
        let expired = self.credentials.get(token).is_some_and(Credential::is_expired);
        if self.policy.refuse_everywhere && expired { Err(Refusal::Expired) } else { Ok(()) }
    }

    fn refuse_revoked(&self, token: &str) -> Result<(), Refusal> {
        let family = self.credentials.get(token).and_then(|credential| credential.family);
        if family.is_some_and(|family| self.families[family].revoked) { Err(Refusal::Revoked) } else { Ok(()) }
    }
}

/// Whether `name` is the token or its fingerprint.
fn is_named(token: &str, name: &str) -> bool {
    token == name || fingerprint(token) == name
}
