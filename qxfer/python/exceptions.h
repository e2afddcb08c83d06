/* SPDX-License-Identifier: MIT */
/*
 * The exceptions of a thread: the one being raised, those being handled one
 * within the other, and what these have as cause or context.
 */
#ifndef QXFER_PYTHON_EXCEPTIONS_H
#define QXFER_PYTHON_EXCEPTIONS_H

#include "qxfer/python/python.h"
#include "qxfer/python/values.h"

#define PY_EXC_MAX	   256u	 /* of one thread */
#define PY_EXC_ENTRIES_MAX 4000u /* traceback entries of all of them */
#define PY_EXC_NOTES_MAX   20u	 /* of one */
#define PY_EXC_MEMBERS_MAX 15u	 /* of one group, as traceback shows */

/* A place that the exception came by. */
struct py_exc_entry {
	const char *file, *name; /* lent by the struct python until the next walk */
	int32_t line;		 /* -1: not known */
};

enum py_exc_next {
	PY_EXC_NONE,
	PY_EXC_CAUSE,	/* raise ... from that one */
	PY_EXC_CONTEXT, /* raised while that one was handled */
};

struct py_exception {
	uint64_t addr;	  /* of the object; 0: not made yet, there is but a type (to 3.11) */
	const char *type; /* as traceback names it: "module.Class", without builtins and __main__ */
	/*
	 * What str() makes of it, on one line unless lines were asked for: a newline
	 * is \n.  Where that is code of the class's own, which is not run, it is the repr() and told is false.
	 */
	const char *text;
	bool told;
	/*
	 * Of a SyntaxError: the place and the text that is wrong, lines as traceback has
	 * them, and what it puts behind the type; else NULL.
	 */
	const char *excerpt, *message;
	const char **note;
	size_t nnotes;
	const struct py_exc_entry *entry; /* most recent call last */
	size_t nentries;
	bool raising;
	int handling;	       /* which of those being handled, 0 is the innermost; -1: none */
	enum py_exc_next kind; /* how it came after `next' */
	size_t next;	       /* in py_exceptions */
	bool group;	       /* the following are of an exception group */
	const size_t *member;  /* in py_exceptions */
	size_t nmembers;       /* which may be fewer than the group has */
	uint64_t group_size;
	const char *corrupt; /* why something of it is missing, or NULL */
};

/* That being raised comes first, then those handled, then what they came after or have in them. */
struct py_exceptions {
	struct py_exception exc[PY_EXC_MAX];
	size_t n;
	size_t nentries;     /* of all */
	const char *corrupt; /* why there may be more, or NULL */
	bool lines;	     /* as asked for */
	struct arena arena;
	struct buf scratch;
};

/*
 * Reads those of @t, which is of the snapshot last walked.  With @lines a newline in
 * a text stays one.  Only ERR_NOMEM; @ret is to be ended in any case.
 */
struct err *py_exceptions_read(struct python *py, struct py_values *v, const struct py_thread *t,
			       bool lines, struct py_exceptions *ret) MUST_CHECK;
void py_exceptions_end(struct py_exceptions *e);

#endif
