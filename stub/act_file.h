/* SPDX-License-Identifier: MIT */
/* The script that is to be run, from a file of this host. */
#ifndef STUB_ACT_FILE_H
#define STUB_ACT_FILE_H

#include "stub/base/buf.h"

/* @code if that is not NULL, else what is in the file @path; "-": in our standard input. */
struct err *act_file_read(const char *path, const char *code, struct buf *out) MUST_CHECK;

#endif
