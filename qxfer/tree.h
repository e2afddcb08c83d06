/* SPDX-License-Identifier: MIT */
/*
 * A document of nested elements, written as XML or as JSON from the same calls.
 *
 * XML: tree_open("frame") starts <frame, the fields become its attributes.
 * JSON: an element is an object, its fields are members, and tree_list("frames")
 * names the array that the following elements go into; in XML a list leaves no
 * trace.  Fields come before lists.  Texts must be valid UTF-8 without control
 * characters, as qxfer/python/text.h makes them.
 */
#ifndef QXFER_TREE_H
#define QXFER_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "stub/base/buf.h"

#define TREE_DEPTH_MAX 16u

struct tree {
	struct buf *out; /* borrowed */
	bool json;
	bool tag_open; /* XML: the last start tag still takes attributes */
	bool comma;    /* JSON: something stands before in this object or array */
	unsigned int depth;
	const char *element[TREE_DEPTH_MAX];
};

/* @dtd: XML's document type, "NAME SYSTEM \"FILE\"". */
void tree_begin(struct tree *t, struct buf *out, bool json, const char *dtd);
void tree_end(struct tree *t);

/* @element is borrowed until tree_close(). */
void tree_open(struct tree *t, const char *element);
void tree_close(struct tree *t);
void tree_list(struct tree *t, const char *name);
void tree_list_end(struct tree *t);

void tree_text(struct tree *t, const char *field, const char *value);
void tree_int(struct tree *t, const char *field, int64_t value);
void tree_address(struct tree *t, const char *field, uint64_t value); /* "0x..." in both */
/* XML says yes, and nothing for no, which is the DTD's default. */
void tree_flag(struct tree *t, const char *field, bool value);
/* Why something ends early, or nothing if @why is NULL: an element of its own in XML. */
void tree_corrupt(struct tree *t, const char *why);

/*
 * Which form the annex of a document that has no other options asks for: "" and
 * ";format=xml", or ";format=json".  ERR_PROTO, in which @object is named, for any other.
 */
struct err *tree_form(const char *object, const char *annex, bool *json) MUST_CHECK;

#endif
