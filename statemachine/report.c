#include "statemachine/report.h"

#include <stdio.h>

int fault_set(struct fault *fault, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return -1;
}

void report(struct reporter *r, enum level level, const char *room, const char *message,
            const char *fields_format, ...)
{
    char fields[1024];
    va_list args;

    if (r == NULL || level < r->least) {
        return;
    }
    va_start(args, fields_format);
    vsnprintf(fields, sizeof fields, fields_format, args);
    va_end(args);
    r->line(r, level, room, message, fields);
}
