"""A peer of lyra-memstore that is a Python package, as a process of its own.

    peers.py PEER STORE DATA      PEER is chromadb or usearch

It reads one order a line from standard input and answers each with one line,
both JSON; `src/memstore/child.rs` is the other end and says what the orders
are. Times are of the call alone: neither the JSON nor the making of vectors
and lists, which a host has anyway, is within.
"""

import json
import os
import sys
import time

import numpy as np

TOP = 10
DIMENSION = 384


class Data:
    """What the bench has written: vectors, queries, and a line a row."""

    def __init__(self, folder):
        self.folder = folder
        self.queries = np.fromfile(os.path.join(folder, "queries.f32"), dtype="<f4")
        self.queries = self.queries.reshape(-1, DIMENSION)

    def load(self):
        """Only for writing: a process that reads would be counted with it."""
        path = os.path.join(self.folder, "rows.tsv")
        self.lines = open(path, encoding="utf-8", newline="\n").read().split("\n")
        vectors = np.fromfile(os.path.join(self.folder, "vectors.f32"), dtype="<f4")
        self.vectors = vectors.reshape(-1, DIMENSION)

    def rows(self, start, end):
        fields = [line.split("\t") for line in self.lines[start:end]]
        ids = [f"e{row}" for row in range(start, end)]
        metadata = [{"bucket": int(bucket), "group": int(group)} for bucket, group, _ in fields]
        texts = [text for _, _, text in fields]
        return ids, self.vectors[start:end], metadata, texts


class Chroma:
    """ChromaDB in process, with its default settings."""

    def __init__(self, folder):
        import chromadb
        from chromadb.config import Settings

        self.chromadb, self.settings = chromadb, Settings(anonymized_telemetry=False)
        self.folder = folder

    def open(self):
        client = self.chromadb.PersistentClient(self.folder, settings=self.settings)
        self.collection = client.get_or_create_collection(
            "entries", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )

    def add(self, ids, vectors, metadata, texts):
        self.collection.add(ids=ids, embeddings=vectors, metadatas=metadata, documents=texts)

    def flush(self):
        pass  # what `add` has acknowledged is in its log, and on the disk

    def query(self, vector, filter):
        where = {filter[0]: filter[1]} if filter else None
        found = self.collection.query(query_embeddings=vector[None, :], n_results=TOP, where=where)
        return found["ids"][0]


class Usearch:
    """A graph of vectors: no texts, no metadata, durable only where it is saved."""

    def __init__(self, folder):
        from usearch.index import Index

        self.Index = Index
        self.path = os.path.join(folder, "index.usearch")

    def open(self):
        if os.path.exists(self.path):
            self.index = self.Index.restore(self.path)
        else:
            self.index = self.Index(ndim=DIMENSION, metric="cos")

    def add(self, ids, vectors, metadata, texts):
        self.index.add(np.array([int(id[1:]) for id in ids], dtype=np.uint64), vectors)

    def flush(self):
        self.index.save(self.path)

    def query(self, vector, filter):
        return [f"e{key}" for key in self.index.search(vector, TOP).keys]


def timed(call, *arguments):
    """What it gave, its CPU time in all threads, and its wall time, in ns."""
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    given = call(*arguments)
    return given, time.process_time_ns() - cpu, time.perf_counter_ns() - wall


def serve(peer, data, order):
    """The answer to one order."""
    match order["do"]:
        case "open":
            if order["for_writing"]:
                data.load()
            runs = [timed(peer.open)]
        case "add":
            start, end, step = order["from"], order["to"], order["step"]
            batches = [data.rows(at, min(at + step, end)) for at in range(start, end, step)]
            runs = [timed(peer.add, *batch) for batch in batches]
        case "flush":
            runs = [timed(peer.flush)]
        case "query":
            key, runs = order["key"], []
            for at in range(order["from"], order["to"]):
                filter = (key, at % order["values"]) if key else None
                runs.append(timed(peer.query, data.queries[at], filter))
    ids = [given or [] for given, _, _ in runs]
    return {"cpu": [cpu for _, cpu, _ in runs], "wall": [wall for _, _, wall in runs], "ids": ids}


def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) * 1024


def main():
    name, store, folder = sys.argv[1:]
    # A library that prints must not speak between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    peer, data = {"chromadb": Chroma, "usearch": Usearch}[name](store), Data(folder)
    for line in sys.stdin:
        try:
            answer = serve(peer, data, json.loads(line))
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answer |= {"spent": time.process_time_ns(), "resident": resident()}
        print(json.dumps(answer), file=answers, flush=True)


main()
