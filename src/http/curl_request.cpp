#include "src/http/curl_request.hpp"

#include <weft/detail/ascii.hpp>

#include <boost/algorithm/string/trim.hpp>

#include <algorithm>
#include <limits>
#include <mutex>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/socket.h>

namespace weft {
inline namespace v0 {
namespace detail {

namespace {

// Of one reply, all together.
constexpr std::size_t header_limit = 64u << 10;

template <class T>
void set(CURL* easy, CURLoption option, T value)
{
    check(curl_easy_setopt(easy, option, value));
}

}  // namespace

void check(CURLMcode code)
{
    if (code != CURLM_OK)
        throw std::runtime_error(curl_multi_strerror(code));
}

void check(CURLcode code)
{
    if (code != CURLE_OK)
        throw std::runtime_error(curl_easy_strerror(code));
}

std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> make_multi()
{
    // Once in a process, as libcurl wants it; it counts who else does.
    static std::once_flag once;
    std::call_once(once, [] { check(curl_global_init(CURL_GLOBAL_DEFAULT)); });
    std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi(curl_multi_init(), &curl_multi_cleanup);
    if (!multi)
        throw std::runtime_error("libcurl has no memory for its multi handle");
    return multi;
}

curl_request::curl_request() : easy_(curl_easy_init(), &curl_easy_cleanup)
{
    if (!easy_)
        throw std::runtime_error("no memory for a request");
}

void curl_request::add_header(std::string const& name, std::string const& value)
{
    // "name;" is how libcurl is told of a header without a value.
    add_line(value.empty() ? name + ';' : name + ": " + value);
}

void curl_request::add_line(std::string const& line)
{
    auto* longer = curl_slist_append(headers_.get(), line.c_str());
    if (!longer)
        throw std::runtime_error("no memory for a header");
    headers_.release();
    headers_.reset(longer);
}

void curl_request::prepare(std::shared_ptr<http_exchange> e, http_options const& options)
{
    auto* const h = easy_.get();
    curl_easy_reset(h);
    headers_.reset();
    exchange_ = std::move(e);
    reply_ = {};
    reply_limit_ = options.reply_limit;
    header_bytes_ = 0;
    sends_ = 0;
    too_long_ = false;
    said_[0] = 0;

    auto const& r = exchange_->request;
    set(h, CURLOPT_PRIVATE, exchange_.get());
    set(h, CURLOPT_ERRORBUFFER, said_);
    set(h, CURLOPT_URL, r.url.c_str());
    set(h, CURLOPT_PROTOCOLS_STR, "http,https");
    set(h, CURLOPT_NOSIGNAL, 1L);
    // A look-up that takes long is left to its thread when its request ends; else libcurl waits for it, and everybody else with it.
    set(h, CURLOPT_QUICK_EXIT, 1L);
    set(h, CURLOPT_FOLLOWLOCATION, 0L);
    constexpr std::chrono::milliseconds longest(std::numeric_limits<int>::max());  // that libcurl can count
    set(h, CURLOPT_TIMEOUT_MS, static_cast<long>((r.timeout.count() > 0 ? std::min(r.timeout, longest) : options.request_timeout).count()));
    set(h, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
    set(h, CURLOPT_MAXAGE_CONN, static_cast<long>(options.idle_timeout.count()));
    set(h, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    // Rather a stream of a connection that is being made than another connection. Not where there is no HTTP/2: libcurl would wait for
    // the first reply to find that out.
    set(h, CURLOPT_PIPEWAIT, r.url.starts_with("https:") ? 1L : 0L);
    set(h, CURLOPT_TCP_KEEPALIVE, 1L);
    // Not before the request's own time is over: whoever is slow to read is not dead.
    auto const silence = std::max({std::chrono::milliseconds(10'000), std::min(r.timeout, longest), options.connect_timeout});
    set(h, CURLOPT_SOCKOPTFUNCTION, &curl_request::on_socket);
    set(h, CURLOPT_SOCKOPTDATA, reinterpret_cast<void*>(static_cast<std::uintptr_t>(silence.count())));
    set(h, CURLOPT_USERAGENT, "weft");

    if (!options.ca_file.empty())
        set(h, CURLOPT_CAINFO, options.ca_file.c_str());
    if (!options.client_certificate.empty())
        set(h, CURLOPT_SSLCERT, options.client_certificate.c_str());
    if (!options.client_key.empty())
        set(h, CURLOPT_SSLKEY, options.client_key.c_str());
    if (!options.proxy.empty())
        set(h, CURLOPT_PROXY, options.proxy == "-" ? "" : options.proxy.c_str());

    if (r.method == "GET")
        set(h, CURLOPT_HTTPGET, 1L);
    else
    {
        if (!r.body.empty() || r.method != "DELETE")
        {
            set(h, CURLOPT_POST, 1L);
            set(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(r.body.size()));
            set(h, CURLOPT_POSTFIELDS, r.body.c_str());  // not copied: the exchange keeps it
        }
        set(h, CURLOPT_CUSTOMREQUEST, r.method.c_str());
    }
    for (auto const& [name, value] : r.headers)
        add_header(name, value);
    for (auto const& [name, value] : options.headers)
        if (std::none_of(r.headers.begin(), r.headers.end(), [&](auto const& own) { return same_whatever_case(own.first, name); }))
            add_header(name, value);
    add_line("Expect:");  // not to be sent: it costs a round trip
    set(h, CURLOPT_HTTPHEADER, headers_.get());

    set(h, CURLOPT_PREREQFUNCTION, &curl_request::before_sending);
    set(h, CURLOPT_PREREQDATA, this);
    set(h, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(reply_limit_));
    set(h, CURLOPT_WRITEFUNCTION, &curl_request::on_body);
    set(h, CURLOPT_WRITEDATA, this);
    set(h, CURLOPT_HEADERFUNCTION, &curl_request::on_header);
    set(h, CURLOPT_HEADERDATA, this);
}

void curl_request::on_close(curl_closesocket_callback f, void* data)
{
    set(easy_.get(), CURLOPT_CLOSESOCKETFUNCTION, f);
    set(easy_.get(), CURLOPT_CLOSESOCKETDATA, data);
}

// A connection that died without a word is noticed by what it does not acknowledge. libcurl would go on putting requests on one of HTTP/2's,
// and each would time out, until the system gives it up: after a quarter of an hour.
int curl_request::on_socket(void* after, curl_socket_t s, curlsocktype)
{
    auto const after_ms = static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(after));
    ::setsockopt(s, IPPROTO_TCP, TCP_USER_TIMEOUT, &after_ms, sizeof after_ms);  // not of TCP: no matter
    return CURL_SOCKOPT_OK;
}

// libcurl sends a request again when a connection that it used before turns out to be dead. Whether the first one arrived nobody can say
// then, and the engine counts sends: it shall do that itself (I6).
int curl_request::before_sending(void* self, char*, char*, int, int)
{
    return ++static_cast<curl_request*>(self)->sends_ == 1 ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

std::size_t curl_request::on_body(char* data, std::size_t size, std::size_t n, void* self)
{
    auto& r = *static_cast<curl_request*>(self);
    if (r.reply_.body.size() + size * n > r.reply_limit_)
    {
        r.too_long_ = true;
        return 0;
    }
    r.reply_.body.append(data, size * n);
    return size * n;
}

std::size_t curl_request::on_header(char* data, std::size_t size, std::size_t n, void* self)
{
    auto& r = *static_cast<curl_request*>(self);
    r.header_bytes_ += size * n;
    if (r.header_bytes_ > header_limit)
    {
        r.too_long_ = true;
        return 0;
    }
    std::string_view const line(data, size * n);
    if (line.starts_with("HTTP/"))
        r.reply_.headers.clear();  // of an interim reply, or of a proxy's
    else if (auto const colon = line.find(':'); colon != std::string_view::npos)
    {
        std::string name(line.substr(0, colon)), value(line.substr(colon + 1));
        std::transform(name.begin(), name.end(), name.begin(), ascii_lower);
        boost::algorithm::trim(value);
        r.reply_.headers.emplace_back(std::move(name), std::move(value));
    }
    return size * n;
}

std::string curl_request::error(CURLcode code) const
{
    switch (code)
    {
    case CURLE_OK:
        return {};
    case CURLE_FILESIZE_EXCEEDED:
        return "its reply is longer than " + std::to_string(reply_limit_) + " bytes";
    case CURLE_WRITE_ERROR:
        if (too_long_)
            return header_bytes_ > header_limit ? "its reply's headers are longer than " + std::to_string(header_limit) + " bytes"
                                                : "its reply is longer than " + std::to_string(reply_limit_) + " bytes";
        break;
    case CURLE_ABORTED_BY_CALLBACK:
        return "the connection was lost after the request had been sent";
    default:
        break;
    }
    return said_[0] ? said_ : curl_easy_strerror(code);
}

void curl_request::end(std::string const& why)
{
    auto const exchange = std::move(exchange_);
    if (!why.empty())
    {
        http_reply().body.swap(reply_.body);  // of an empty text that is assigned, a string keeps its memory
        return exchange->failed(why);
    }
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    reply_.status = static_cast<unsigned>(status);
    exchange->replied(std::move(reply_));
}

}  // namespace detail
}  // namespace v0
}  // namespace weft
