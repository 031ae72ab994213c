-- Every contributor is attested until some day, so that L003 comes to speak for each: agreements that were made before the day
-- was kept have a year from now, as new ones have.
UPDATE contributors
SET notice_attested_until = ((now() AT TIME ZONE 'Asia/Kuala_Lumpur') + interval '12 months')::date
WHERE notice_attested_until IS NULL;
ALTER TABLE contributors
    ADD CONSTRAINT contributors_attested CHECK (notice_attested_until IS NOT NULL) NOT VALID;
