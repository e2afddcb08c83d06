/* SPDX-License-Identifier: MIT */
/* Between the lexer, expr_lex.c, and the parser, expr.c. */
#ifndef QXFER_PYTHON_EXPR_PRIV_H
#define QXFER_PYTHON_EXPR_PRIV_H

#include "qxfer/python/expr.h"

enum expr_token { T_END, T_NAME, T_INT, T_FLOAT, T_STR, T_BYTES, T_ELLIPSIS, T_MARK };

struct expr_parser {
	const char *text; /* all of it */
	const char *p;	  /* behind the current token */
	struct arena *arena;
	unsigned int depth;

	enum expr_token token;
	const char *start; /* of the current token */
	char mark;	   /* T_MARK: one of .[]():,- and + */
	const char *name;
	int64_t number;
	double real;
	uint32_t *chars;
	size_t n;
};

/* "WHAT at column N" */
static inline struct err *expr_wrong(const struct expr_parser *x, const char *at, const char *what)
{
	return err_new(ERR_BAD_DATA, "%s at column %zu", what, (size_t)(at - x->text) + 1);
}
/* Reads the next token. */
struct err *expr_next(struct expr_parser *x) MUST_CHECK;

#endif
