/* SPDX-License-Identifier: MIT */
/*
 * Finding CPython's _PyRuntime in an inferior, with or without symbols.
 *
 * Several ways, the cheapest and surest first.  Whatever is found counts only
 * when the interpreter and thread states behind it point back to each other.
 */
#ifndef QXFER_PYTHON_RUNTIME_H
#define QXFER_PYTHON_RUNTIME_H

#include "qxfer/python/offsets.h"
#include "stub/base/space.h"

enum py_way {
	PY_BY_DYNSYM =
		1 << 0, /* _PyRuntime (3.7 and later) among the dynamic symbols: memory only */
	PY_BY_SYMTAB = 1 << 1,	/* _PyRuntime in the file's .symtab */
	PY_BY_SECTION = 1 << 2, /* the file's section .PyRuntime (3.10 and later) */
	PY_BY_CODE = 1 << 3,	/* the address that PyInterpreterState_Head() loads from */
	PY_BY_COOKIE = 1 << 4,	/* "xdebugpy" in a file's writable segment (3.13 and later) */
	PY_BY_THREADS = 1 << 5, /* a thread state whose ident is a live thread pointer (to 3.12) */
	PY_BY_ANY = 63,
	PY_BY_BUILD = 1 << 6, /* where it was in another process of the same file */
};

struct py_runtime {
	uint64_t addr; /* of _PyRuntime; 3.6: of interp_head */
	enum py_way way;
	bool verified;
	bool exact; /* off.version_hex is the inferior's own, not just its row's */
	struct py_offsets off;
	/* 3.6, which keeps these in variables of their own; 0: not found. */
	uint64_t current;	/* of a pointer to the thread state that holds the GIL */
	uint64_t gc_collecting; /* of an int */
};

/*
 * ERR_NOT_FOUND: no Python, or not initialised yet (*later is then set: asking
 * again can help though no mapping changed).  ERR_BAD_DATA: a Python that is not
 * served.
 */
struct err *py_runtime_find(const struct space *s, unsigned int ways, struct py_runtime *ret,
			    bool *later) MUST_CHECK;

/*
 * Whether there is a runtime at @addr, of @version_hex, or of a version that it tells
 * itself if that is 0; see builds.h.
 */
bool py_runtime_try(const struct space *s, uint64_t addr, uint32_t version_hex,
		    struct py_runtime *ret);

/* Whether a runtime found earlier still has an interpreter. */
bool py_runtime_alive(const struct space *s, const struct py_runtime *rt);

struct python;

/* That of @space, as python_walk() finds it; lent while the epoch is the same. */
struct err *python_runtime(struct python *py, const struct space *space,
			   const struct py_runtime **ret) MUST_CHECK;

const char *py_way_name(enum py_way way);

#endif
