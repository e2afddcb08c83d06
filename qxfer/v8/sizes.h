/* SPDX-License-Identifier: MIT */
/* V8's own table of how long bytecodes are, found without a symbol. */
#ifndef QXFER_V8_SIZES_H
#define QXFER_V8_SIZES_H

#include "qxfer/v8/positions.h"
#include "stub/base/space.h"

/*
 * It is constant data of the image that V8 is in, and begins so that nothing else does: see
 * bytecode_sizes_parse().  ret->n stays 0 where there is none.
 */
void v8_sizes_find(const struct space *s, struct v8_bytecode_sizes *ret);

#endif
