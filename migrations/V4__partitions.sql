-- Partitions made and dropped by roles that own no table (scripts/roles.sql): these functions run as
-- the owner of the tables. Whoever may insert into a partitioned table may have a partition of it
-- made, whoever may delete from it may have one dropped; nothing else can be done with them.

-- Makes the partition `child` of `parent` for [since, until), written as what it is partitioned by is
-- written; false where it is there already. It
-- gets the rights of its parent. Made as a table that is then attached: CREATE TABLE … PARTITION OF
-- would lock the whole parent against its readers and writers.
CREATE FUNCTION make_partition(parent regclass, child text, since text, until text)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
SET timezone = 'UTC'
AS $$
DECLARE
    place  name;
    table_ name;
    made   regclass;
    it     record;
BEGIN
    SELECT nspname, relname INTO place, table_
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = parent AND relkind = 'p' AND relowner = quote_ident(current_user)::regrole
        AND has_table_privilege(session_user, parent, 'INSERT');
    IF NOT FOUND OR child !~ '^[a-z_]+_[0-9][0-9_]*$' OR child NOT LIKE replace(table_, '_', '\_') || '\_%' THEN
        RAISE insufficient_privilege USING MESSAGE = format('no partition %s of %s is made for %s', child, parent, session_user);
    END IF;
    -- The number is arbitrary and must never change.
    PERFORM pg_advisory_xact_lock(8026662964342977651);
    made := to_regclass(format('%I.%I', place, child));
    IF made IS NOT NULL AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = parent AND inhrelid = made) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I.%I (LIKE %s INCLUDING ALL)', place, child, parent);
    made := format('%I.%I', place, child)::regclass;
    FOR it IN
        SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
        FROM pg_class, aclexplode(relacl) WHERE oid = made AND grantee <> relowner
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', made, it.role);
    END LOOP;
    FOR it IN
        SELECT privilege_type AS right_, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
        FROM pg_class, aclexplode(relacl) WHERE oid = parent AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s', it.right_, made, it.role);
    END LOOP;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', parent, made, since, until);
    RETURN true;
END
$$;

-- Drops the partition `child` of `parent`; false where there is none.
CREATE FUNCTION drop_partition(parent regclass, child text)
RETURNS boolean
LANGUAGE plpgsql
SECURITY DEFINER
AS $$
DECLARE
    gone regclass;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_class
        WHERE oid = parent AND relkind = 'p' AND relowner = quote_ident(current_user)::regrole
            AND has_table_privilege(session_user, parent, 'DELETE')
    ) THEN
        RAISE insufficient_privilege USING MESSAGE = format('no partition of %s is dropped for %s', parent, session_user);
    END IF;
    SELECT inhrelid INTO gone
    FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = parent AND relname = child;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %s', gone);
    RETURN true;
END
$$;

-- Only who is told to (scripts/roles.sql), beside their owner.
REVOKE EXECUTE ON FUNCTION make_partition, drop_partition FROM PUBLIC;

-- Names in the functions mean what they mean here, whatever whoever calls them has put before them.
-- And they run as the owner of the tables, also where somebody else has migrated this time.
DO $$
DECLARE
    owner_ name := (SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'reading');
BEGIN
    EXECUTE format('ALTER FUNCTION make_partition SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION drop_partition SET search_path = %I, pg_temp', current_schema());
    IF owner_ <> current_user THEN
        EXECUTE format('ALTER FUNCTION make_partition OWNER TO %I', owner_);
        EXECUTE format('ALTER FUNCTION drop_partition OWNER TO %I', owner_);
    END IF;
END
$$;
