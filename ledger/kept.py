"""Tables whose rows the database itself keeps: a trigger refuses what must not change. Used by migrations."""

from __future__ import annotations

from django.db import migrations

FUNCTION = """
CREATE FUNCTION ledger_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The arguments name the columns that may change; with none, nothing may.
    IF TG_OP = 'UPDATE' AND TG_NARGS > 0 AND to_jsonb(NEW) - TG_ARGV = to_jsonb(OLD) - TG_ARGV THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: kept records are neither changed nor deleted', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
"""


def keep(table: str, *may_change: str, delete_when: str = "") -> migrations.RunSQL:
    """Refuse UPDATE (but of the columns `may_change`), DELETE and TRUNCATE on `table`, whoever asks.

    `delete_when`: a condition on OLD under which a row may still be deleted (a file that was never handed in).
    """
    columns = ", ".join(f"'{name}'" for name in may_change)
    unless = f"WHEN (NOT ({delete_when}))" if delete_when else ""
    return migrations.RunSQL(
        f"""
        CREATE TRIGGER {table}_keep_rows BEFORE UPDATE ON {table}
            FOR EACH ROW EXECUTE FUNCTION ledger_keep({columns});
        CREATE TRIGGER {table}_keep_all BEFORE DELETE ON {table}
            FOR EACH ROW {unless} EXECUTE FUNCTION ledger_keep();
        CREATE TRIGGER {table}_keep_table BEFORE TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION ledger_keep();
        """,
        f"""
        DROP TRIGGER {table}_keep_rows ON {table};
        DROP TRIGGER {table}_keep_all ON {table};
        DROP TRIGGER {table}_keep_table ON {table};
        """,
    )
