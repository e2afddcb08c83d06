/* SPDX-License-Identifier: MIT */
#include "qxfer/synth/synth.h"

#include <stdlib.h>

struct synth {
	struct synth_options options;
};

struct err *synth_create(const struct synth_options *options, struct synth **ret)
{
	struct synth *s = calloc(1, sizeof(*s));
	if (!s)
		return &err_nomem;
	s->options = *options;
	*ret = s;
	return NULL;
}

void synth_destroy(struct synth *s)
{
	free(s);
}
