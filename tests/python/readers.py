"""Says which readers there are, after making each of them ready: nothing may be fetched for that."""

import duckdb
import moto
import pyarrow
import pyiceberg

from lake import answer, duck


def main() -> None:
    loaded = duck().execute(
        "SELECT extension_name FROM duckdb_extensions() WHERE loaded AND extension_name IN ('avro', 'httpfs', 'iceberg')"
        " ORDER BY 1"
    )
    answer(
        {
            "duckdb": duckdb.__version__,
            "extensions": [name for (name,) in loaded.fetchall()],
            "moto": moto.__version__,
            "pyarrow": pyarrow.__version__,
            "pyiceberg": pyiceberg.__version__,
        }
    )


main()
