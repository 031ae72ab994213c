-- Who may talk to the bureau, what they may do, and the record of what was done.

-- An organisation that sends data, and its terms (src/domain/contract/terms.rs).
CREATE TABLE contributors (
    contributor_id         uuid        NOT NULL PRIMARY KEY,
    slug                   text        NOT NULL CONSTRAINT contributors_slug_key UNIQUE
                                       CHECK (slug ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
    name                   text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    status                 text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    datasets               text[]      NOT NULL DEFAULT '{account_snapshot,repayment_event,application}',
    currencies             text[]      NOT NULL DEFAULT '{MYR}' CHECK (cardinality(currencies) > 0),
    products               text[],     -- NULL: every product
    open_window_months     int         NOT NULL DEFAULT 24 CHECK (open_window_months BETWEEN 0 AND 1200),
    backfill_from          date,
    reject_threshold_bps   int         NOT NULL DEFAULT 500 CHECK (reject_threshold_bps BETWEEN 0 AND 10000),
    identity_threshold_bps int         NOT NULL DEFAULT 200 CHECK (identity_threshold_bps BETWEEN 0 AND 10000),
    created_at             timestamptz NOT NULL,
    suspended_at           timestamptz,
    CHECK ((status = 'suspended') = (suspended_at IS NOT NULL))
);

-- A credential holder: a contributor's system, a risk engine, an operator. `version` rises whenever tokens
-- that are already out must stop working.
CREATE TABLE clients (
    client_id      uuid        NOT NULL PRIMARY KEY,
    name           text        NOT NULL CONSTRAINT clients_name_key UNIQUE
                               CHECK (char_length(name) BETWEEN 1 AND 200),
    contributor_id uuid        REFERENCES contributors,
    scopes         text[]      NOT NULL
                               CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY ['batches:write', 'batches:read', 'profiles:query', 'admin']),
    purposes       text[]      NOT NULL DEFAULT '{}',
    auth_methods   text[]      NOT NULL
                               CHECK (cardinality(auth_methods) > 0 AND auth_methods <@ ARRAY ['client_secret_basic', 'private_key_jwt']),
    status         text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'revoked')),
    version        int         NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at     timestamptz NOT NULL,
    revoked_at     timestamptz,
    CHECK ((status = 'revoked') = (revoked_at IS NOT NULL)),
    -- A credential that sends data sends it for somebody.
    CHECK (contributor_id IS NOT NULL OR NOT 'batches:write' = ANY (scopes))
);
CREATE INDEX clients_contributor_id_idx ON clients (contributor_id);

-- Client secrets, as a keyed hash alone. The first byte of the hash is the version of its key.
CREATE TABLE client_secrets (
    secret_id   uuid        NOT NULL PRIMARY KEY,
    client_id   uuid        NOT NULL REFERENCES clients,
    secret_mac  bytea       NOT NULL CHECK (octet_length(secret_mac) = 33),
    key_version int         NOT NULL GENERATED ALWAYS AS (get_byte(secret_mac, 0)) STORED,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz
);
CREATE INDEX client_secrets_client_id_idx ON client_secrets (client_id);
-- One secret without an end; with the one that it replaced, two are live.
CREATE UNIQUE INDEX client_secrets_current_key ON client_secrets (client_id) WHERE expires_at IS NULL;

-- Public keys that clients sign their assertions with. `d` is the private part of a JWK.
CREATE TABLE client_keys (
    client_id  uuid        NOT NULL REFERENCES clients,
    kid        text        NOT NULL CHECK (char_length(kid) BETWEEN 1 AND 200),
    jwk        jsonb       NOT NULL CHECK (NOT jwk ? 'd'),
    algorithm  text        NOT NULL CHECK (algorithm IN ('EdDSA', 'ES256')),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (client_id, kid)
);

-- Assertions that have been used; each is good for one token. Logged, because a crash must not forget them.
CREATE TABLE client_assertions (
    client_id  uuid        NOT NULL REFERENCES clients,
    jti_hash   bytea       NOT NULL CHECK (octet_length(jti_hash) = 32),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, jti_hash)
);
CREATE INDEX client_assertions_expires_at_idx ON client_assertions (expires_at);

-- Our signing keys. Rows stay for good: a receipt of years ago must still verify.
CREATE TABLE signing_keys (
    kid            text        NOT NULL PRIMARY KEY,
    algorithm      text        NOT NULL CHECK (algorithm IN ('EdDSA', 'ES256')),
    public_jwk     jsonb       NOT NULL CHECK (NOT public_jwk ? 'd'),
    sealed_private bytea       NOT NULL,
    seal_version   int         NOT NULL GENERATED ALWAYS AS (get_byte(sealed_private, 0)) STORED,
    created_at     timestamptz NOT NULL,
    active_from    timestamptz NOT NULL,
    retired_at     timestamptz
);

-- Who did what to what, and how it ended. Names things and tokens, never a person.
CREATE TABLE audit_entries (
    entry_no     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL,
    actor_client uuid,
    actor        text        NOT NULL CHECK (char_length(actor) BETWEEN 1 AND 200),
    action       text        NOT NULL CHECK (char_length(action) BETWEEN 1 AND 100),
    object_kind  text        NOT NULL CHECK (char_length(object_kind) BETWEEN 1 AND 100),
    object_id    text        NOT NULL CHECK (char_length(object_id) BETWEEN 1 AND 200),
    outcome      text        NOT NULL CHECK (char_length(outcome) BETWEEN 1 AND 100),
    detail       jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_entries_object_idx ON audit_entries (object_kind, object_id, entry_no);
CREATE INDEX audit_entries_actor_client_idx ON audit_entries (actor_client, entry_no);

CREATE FUNCTION etr_refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS
$$
BEGIN
    RAISE EXCEPTION '% is append-only', tg_table_name USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER audit_entries_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION etr_refuse_change();

ALTER TABLE contributors ENABLE ROW LEVEL SECURITY;
ALTER TABLE contributors FORCE ROW LEVEL SECURITY;
CREATE POLICY contributors_system ON contributors USING (etr_is_system());
CREATE POLICY contributors_own ON contributors FOR SELECT USING (contributor_id = etr_contributor());

ALTER TABLE clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE clients FORCE ROW LEVEL SECURITY;
CREATE POLICY clients_system ON clients USING (etr_is_system());

ALTER TABLE client_secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE client_secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY client_secrets_system ON client_secrets USING (etr_is_system());

ALTER TABLE client_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE client_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY client_keys_system ON client_keys USING (etr_is_system());

ALTER TABLE client_assertions ENABLE ROW LEVEL SECURITY;
ALTER TABLE client_assertions FORCE ROW LEVEL SECURITY;
CREATE POLICY client_assertions_system ON client_assertions USING (etr_is_system());

ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE signing_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY signing_keys_system ON signing_keys USING (etr_is_system());

-- Everybody who is somebody leaves a trace; only the system reads it.
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_entries_read ON audit_entries FOR SELECT USING (etr_is_system());
CREATE POLICY audit_entries_append ON audit_entries FOR INSERT
    WITH CHECK (etr_is_system() OR etr_contributor() IS NOT NULL);
