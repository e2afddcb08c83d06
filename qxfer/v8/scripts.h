/* SPDX-License-Identifier: MIT */
/*
 * What functions are called and where their text is: SharedFunctionInfo, ScopeInfo, Script.
 *
 * Read once at each stop: the heap's objects move between stops.
 */
#ifndef QXFER_V8_SCRIPTS_H
#define QXFER_V8_SCRIPTS_H

#include "qxfer/v8/heap.h"
#include "stub/base/arena.h"

#define SCRIPTS_NAME_MAX   1024u       /* units of a name that are shown */
#define SCRIPTS_SOURCE_MAX (128 << 20) /* units of a source whose lines are counted */
#define SCRIPTS_LINES_MAX  (1u << 24)
#define SCRIPTS_ALL_MAX	   (256u << 20) /* units of all sources together, at one stop */

struct v8_script {
	uint64_t addr;
	const char *name;		    /* "" if it has none */
	const char *broken;		    /* why lines are not known, or NULL */
	int32_t line_offset, column_offset; /* where in a file its text begins */
	bool evaluated;			    /* it is the argument of eval(), or of new Function() */
	bool counted;
	uint32_t *end; /* where each line ends, in units of the source */
	size_t nlines;
};

/* A function as it was compiled. */
struct v8_function {
	uint64_t shared;	  /* its SharedFunctionInfo */
	const char *name;	  /* "" for none */
	struct v8_script *script; /* NULL: a builtin */
	const char *broken;	  /* why there is no name, or NULL */
};

struct v8_place {
	int32_t line, column; /* 1 is the first; 0: not known */
};

/* All zero but `heap' is an empty one. */
struct v8_scripts {
	struct v8_heap heap;
	struct arena *arena; /* borrowed; everything is lent until it is reset */
	struct v8_script **script;
	size_t nscripts, scripts_cap;
	struct v8_function **function; /* by hash of `shared', open addressing */
	size_t nfunctions, slots;
	size_t counted; /* units of sources */
	bool failed;	/* out of memory */
};

void scripts_deinit(struct v8_scripts *s);

/* The function of the SharedFunctionInfo @shared; NULL: it is none, or out of memory. */
struct v8_function *scripts_function(struct v8_scripts *s, uint64_t shared);
/* A name that the JSFunction @function was given as its property; NULL: none. */
const char *scripts_own_name(struct v8_scripts *s, uint64_t function);
/* @string as it may be shown; NULL: it cannot be read, or out of memory. */
const char *scripts_text(struct v8_scripts *s, uint64_t string);
/* Where in its script the text of a function begins; -1: not known. */
int32_t scripts_start(struct v8_scripts *s, struct v8_function *function);
/* Where the unit @position of a script is. */
struct v8_place scripts_place(struct v8_scripts *s, struct v8_script *script, int32_t position);

#endif
