/* SPDX-License-Identifier: MIT */
/* The annex of a document of stacks: a thread id as on the wire, or "", then options. */
#ifndef QXFER_REQUEST_H
#define QXFER_REQUEST_H

#include <stdbool.h>
#include <sys/types.h>

#include "stub/base/err.h"

enum request_option {
	REQUEST_LOCALS = 1, /* ";locals" */
	REQUEST_NATIVE = 2, /* ";native" */
};

struct request {
	pid_t tid;	      /* 0: all */
	bool json;	      /* ";format=json", not ";format=xml" */
	unsigned int options; /* enum request_option */
};

/* @allowed: the options that there are.  ERR_PROTO, in which @object is named, for anything else. */
struct err *request_parse(const char *object, unsigned int allowed, const char *annex,
			  struct request *ret) MUST_CHECK;

#endif
