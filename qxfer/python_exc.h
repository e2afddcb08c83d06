/* SPDX-License-Identifier: MIT */
/* Exceptions in documents and in texts. */
#ifndef QXFER_PYTHON_EXC_H
#define QXFER_PYTHON_EXC_H

#include "qxfer/python_text.h"
#include "qxfer/tree.h"

/* The list of those of @th, into its element. */
void pydoc_put_exceptions(struct tree *t, struct python *py, struct py_values *v,
			  const struct py_thread *th);

/*
 * "  raising: ValueError: text", a line for each that one of the @n states of a thread
 * raises or handles; or nothing.
 */
void pytext_put_raised(const struct pytext *w, const struct python_view *view,
		       const struct py_thread *const *state, size_t n);
/* All of them, as traceback prints them. */
struct err *pytext_put_exceptions(const struct pytext *w, struct python *py, struct py_values *v,
				  const struct py_thread *th) MUST_CHECK;

#endif
