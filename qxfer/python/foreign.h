/* SPDX-License-Identifier: MIT */
/*
 * Interpreters of Python that are not the one that is served.
 */
#ifndef QXFER_PYTHON_FOREIGN_H
#define QXFER_PYTHON_FOREIGN_H

#include "stub/base/image.h"

/* What @img is, in a sentence for the user; NULL: none of those known. */
const char *py_foreign_find(struct image *img);

#endif
