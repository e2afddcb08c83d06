/* SPDX-License-Identifier: MIT */
/*
 * Where the runtime lies in files seen before, by their build-id: so that the next
 * process of the same program needs no search.  A few files only; what is remembered
 * is tried and judged like any other candidate.
 */
#ifndef QXFER_PYTHON_BUILDS_H
#define QXFER_PYTHON_BUILDS_H

#include "qxfer/python/runtime.h"

#define PY_BUILDS_MAX 8u

struct py_build_seen {
	uint8_t id[32];
	size_t id_len;	      /* 0: this entry is free */
	uint64_t at;	      /* the runtime's address in the file */
	uint32_t version_hex; /* 0: not known exactly */
};

struct py_builds {
	struct py_build_seen seen[PY_BUILDS_MAX];
	size_t next; /* to be replaced */
};

/* Whether a file of @s was seen before and has its runtime where it had it then. */
bool py_builds_find(const struct py_builds *b, const struct space *s, struct py_runtime *ret);

/* Remembers @rt, which was found in @s. */
void py_builds_note(struct py_builds *b, const struct space *s, const struct py_runtime *rt);

#endif
