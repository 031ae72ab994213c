-- Synthetic rows, one at least for each table of the migration.
INSERT INTO contributors (contributor_id, slug, name, created_at)
VALUES ('00000000-0000-4000-8000-0000000000c1', 'sample', 'Sample', '2026-01-01');
INSERT INTO contributors (contributor_id, slug, name, status, created_at, suspended_at)
VALUES ('00000000-0000-4000-8000-0000000000c2', 'sample-gone', 'Sample, suspended', 'suspended', '2026-01-01', '2026-02-01');
INSERT INTO clients (client_id, name, contributor_id, scopes, auth_methods, created_at)
VALUES ('00000000-0000-4000-8000-0000000000d1', 'sample-sender', '00000000-0000-4000-8000-0000000000c1',
        '{batches:write,batches:read}', '{client_secret_basic,private_key_jwt}', '2026-01-01');
INSERT INTO client_secrets (secret_id, client_id, secret_mac, created_at)
VALUES ('00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-0000000000d1',
        decode('01' || repeat('ab', 32), 'hex'), '2026-01-01');
INSERT INTO client_keys (client_id, kid, jwk, algorithm, created_at)
VALUES ('00000000-0000-4000-8000-0000000000d1', 'sample-key', '{"kty": "OKP"}', 'EdDSA', '2026-01-01');
INSERT INTO client_assertions (client_id, jti_hash, expires_at)
VALUES ('00000000-0000-4000-8000-0000000000d1', decode(repeat('cd', 32), 'hex'), '2026-01-02');
INSERT INTO signing_keys (kid, algorithm, public_jwk, sealed_private, created_at, active_from)
VALUES ('sample-signing-key', 'EdDSA', '{"kty": "OKP"}', decode('01ef', 'hex'), '2026-01-01', '2026-01-01');
INSERT INTO audit_entries (at, actor, action, object_kind, object_id, outcome)
VALUES ('2026-01-01', 'sample', 'client.create', 'client', '00000000-0000-4000-8000-0000000000d1', 'done');
