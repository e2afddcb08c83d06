/* SPDX-License-Identifier: MIT */
/*
 * Code objects: names, file, line table; and the memo that keeps them while
 * nothing can have changed.
 */
#ifndef QXFER_PYTHON_CODE_H
#define QXFER_PYTHON_CODE_H

#include "qxfer/python/offsets.h"
#include "qxfer/python/python.h"
#include "stub/base/arena.h"
#include "stub/base/buf.h"

#define PY_NAME_MAX	 1024u	    /* characters of a function's name */
#define PY_FILE_MAX	 4096u	    /* characters of a file's name */
#define PY_LINETABLE_MAX (1u << 22) /* bytes; a longer one is taken for garbage */
#define PY_CODES_BYTES	 (1u << 26) /* of all texts and tables kept at one time */

/* Everything the walker wants of one PyCodeObject, copied. */
struct py_code {
	uint64_t addr;
	uint64_t bytecode;	     /* address of the first instruction */
	uint64_t bytecode_len;	     /* bytes */
	const char *name, *qualname; /* UTF-8; qualname is name if there is none */
	const char *file;
	int32_t first_line;
	int32_t first_traceable; /* bytes into the bytecode; -1: not known */
	bool trampoline;	 /* CPython's own, not written by anyone: not to be shown */
	bool absent;		 /* None, NULL or a shim's code: the frame is one of C's */
	const char *corrupt;	 /* NULL, or why this is no code object; the rest is then void */

	enum py_lines lines_kind;
	const uint8_t *lines;
	size_t lines_len;
	int32_t memo_lasti; /* the position looked up last */
	struct py_position memo;
};

/*
 * Of each instruction's byte offset the place in the source; false: it has none.
 * In a table of @kind, an enum py_lines; those to 3.10 know lines only.
 */
bool py_lines_find(enum py_lines kind, const uint8_t *table, size_t len, int32_t first_line,
		   int32_t lasti, struct py_position *ret);

/* Bytecode of [start, end) is of @line; -1: of none. */
typedef void (*py_lines_visitor)(void *arg, uint32_t start, uint32_t end, int32_t line);
/* The same of all @code_len bytes of bytecode at once, in order; a part may be left out. */
void py_lines_visit(const struct py_code *code, uint32_t code_len, py_lines_visitor visit,
		    void *arg);

/* As py_lines_find() with @code's own table. */
bool py_code_position(struct py_code *code, int32_t lasti, struct py_position *ret);

/* The memo: code objects by address. */
struct py_codes {
	struct py_code **slot; /* open addressing; a power of two, or NULL */
	size_t nslots, n;
	struct arena arena; /* the entries and what they point to */
	struct buf scratch;
	size_t bytes;	    /* in the arena, nearly */
	uint64_t code_type; /* address of PyCode_Type once seen, or 0 */
	uint64_t last_file; /* most code objects share their file's str object */
	const char *last_file_text;
};

void py_codes_deinit(struct py_codes *c);
/* Forgets all code objects, and with @types the type of code objects as well. */
void py_codes_reset(struct py_codes *c, bool types);

/*
 * The code object at @addr, from the memo or read now.  What cannot be read
 * becomes an entry that says so (corrupt); the only error is ERR_NOMEM.
 * Lent until the next reset.
 */
struct err *py_codes_get(struct py_codes *c, struct mem *m, const struct py_offsets *off,
			 uint64_t addr, struct py_code **ret) MUST_CHECK;

#endif
