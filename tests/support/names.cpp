// A resolver of the tests' own, before the C library's: a shared library that a test links, or that is preloaded into a program (LD_PRELOAD). So
// services are called by names, as they are in use, and names can be as bad as they are there.
//
//     six.test        ::1
//     both.test       ::1, then 127.0.0.1
//     several.test    127.0.0.2, where nobody listens, then 127.0.0.1
//     slow.test       nobody answers for half a minute
//     gone.test       there is no such name
//     *.test          127.0.0.1
//
// Every other name is the C library's.
#include <chrono>
#include <dlfcn.h>
#include <initializer_list>
#include <netdb.h>
#include <string_view>
#include <thread>

namespace {

using resolve = int(char const*, char const*, addrinfo const*, addrinfo**);

resolve* next()
{
    static auto* const f = reinterpret_cast<resolve*>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return f;
}

int resolved(std::initializer_list<char const*> addresses, char const* service, addrinfo const* hints, addrinfo** result)
{
    addrinfo as_number = hints ? *hints : addrinfo{};
    as_number.ai_flags |= AI_NUMERICHOST;
    as_number.ai_flags &= ~AI_ADDRCONFIG;  // which leaves out ::1 on a machine with no other address
    int  error = EAI_NONAME;
    bool found = false;
    for (auto const* address : addresses)
    {
        addrinfo* more = nullptr;
        if (int const e = next()(address, service, &as_number, &more); e != 0)
        {
            error = e;  // of another family than is asked for, for example
            continue;
        }
        *result = more;
        while (*result)
            result = &(*result)->ai_next;
        found = true;
    }
    return found ? 0 : error;
}

}  // namespace

extern "C" int getaddrinfo(char const* name, char const* service, addrinfo const* hints, addrinfo** result)
{
    std::string_view const host = name ? name : "";
    if (!host.ends_with(".test"))
        return next()(name, service, hints, result);
    if (host == "gone.test")
        return EAI_NONAME;
    if (host == "slow.test")
    {
        std::this_thread::sleep_for(std::chrono::seconds(30));
        return EAI_AGAIN;
    }
    if (host == "six.test")
        return resolved({"::1"}, service, hints, result);
    if (host == "both.test")
        return resolved({"::1", "127.0.0.1"}, service, hints, result);
    if (host == "several.test")
        return resolved({"127.0.0.2", "127.0.0.1"}, service, hints, result);
    return resolved({"127.0.0.1"}, service, hints, result);
}
