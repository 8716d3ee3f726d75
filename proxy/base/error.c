#include "popbridge/base/error.h"

#include <stdarg.h>
#include <stdio.h>

void
pb_error_set(struct pb_error *err, enum pb_error_kind kind,
    enum pb_error_scope scope, const char *fmt, ...)
{
	va_list ap;

	err->kind = kind;
	err->scope = scope;
	err->throttled = false;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
}
