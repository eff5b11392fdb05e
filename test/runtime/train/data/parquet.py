"""Writes the Parquet files of these tests by pyarrow: python parquet.py"""

import os

import pyarrow
import pyarrow.parquet

os.chdir(os.path.dirname(os.path.abspath(__file__)))

texts = [f"Paragraph {i}: it is a truth universally acknowledged." for i in range(50)]
for codec in ["snappy", "gzip", "zstd", "brotli"]:
    table = pyarrow.table({"id": list(range(50)), "text": texts})
    pyarrow.parquet.write_table(table, f"text.{codec}.parquet", compression=codec, row_group_size=20)

messages = [
    [{"role": "user", "content": "How old is Emma?"}, {"role": "assistant", "content": "Nearly one and twenty."}],
    [{"role": "user", "content": "And Mr. Knightley?"}, {"role": "assistant", "content": "Seven or eight and thirty."}],
]
table = pyarrow.table({"messages": messages, "text": [None, None]})
pyarrow.parquet.write_table(table, "chat.parquet")
pyarrow.parquet.write_table(pyarrow.table({"id": [1, 2]}), "numbers.parquet")
