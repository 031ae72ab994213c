-- Who is asking, for row-level security. A session names its scope when it connects ("system"), or a
-- transaction names one contributor; without either, policies show nothing.

CREATE FUNCTION etr_is_system() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce(current_setting('etr.scope', true), '') = 'system';

CREATE FUNCTION etr_contributor() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('etr.contributor_id', true), '')::uuid;
