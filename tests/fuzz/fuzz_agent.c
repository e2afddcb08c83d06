/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer against agent expressions: the input is one.  Whatever it is, it is
 * refused or ends.  Memory is the input itself.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/agent/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
	const uint8_t *data;
	size_t len;
	uint64_t var[4];
	unsigned int work;
};

static struct err *reg(void *ctx, uint16_t n, uint64_t *ret)
{
	(void)ctx;
	*ret = n;
	return n < 200 ? NULL : err_new(ERR_NOT_FOUND, "no register %u", n);
}

static struct err *read_bytes(void *ctx, uint64_t addr, void *buf, size_t len)
{
	struct input *in = ctx;
	/* More would only be the same, slowly. */
	if (in->work++ > 2000 || addr > in->len || len > in->len - addr)
		return err_new(ERR_FAULT, "no memory");
	memcpy(buf, in->data + addr, len);
	return NULL;
}

static struct err *var_get(void *ctx, uint16_t n, uint64_t *ret)
{
	const struct input *in = ctx;
	*ret = in->var[n % 4];
	return NULL;
}

static struct err *var_set(void *ctx, uint16_t n, uint64_t value)
{
	struct input *in = ctx;
	in->var[n % 4] = value;
	return NULL;
}

static struct err *trace(void *ctx, uint64_t addr, uint64_t len)
{
	(void)ctx;
	(void)addr;
	(void)len;
	return NULL;
}

static struct err *trace_var(void *ctx, uint16_t n)
{
	(void)ctx;
	(void)n;
	return NULL;
}

static void print(void *ctx, const char *text, size_t len)
{
	struct input *in = ctx;
	for (size_t i = 0; i < len; i++)
		in->var[0] += (uint8_t)text[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct agent_ops ops = { reg,   read_bytes, var_get, var_set,
					      trace, trace_var,	 print };
	struct input in = { .data = data, .len = len };
	struct agent_code *code;
	uint64_t value;
	struct err *err = agent_compile(data, len, &code);

	if (err) {
		err_drop(err);
		return 0;
	}
	err = agent_run(code, &ops, &in, &value);
	err_drop(err);
	agent_free(code);
	return 0;
}
