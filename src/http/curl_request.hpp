// One request as an easy handle of libcurl. All on the transport's thread.
#pragma once

#include <weft/http.hpp>

#include <curl/curl.h>

#include <memory>
#include <string>

namespace weft {
inline namespace v0 {
namespace detail {

// Throws std::runtime_error with what libcurl says.
void check(CURLMcode);
void check(CURLcode);

template <class T>
void set(CURLM* multi, CURLMoption option, T value)
{
    check(curl_multi_setopt(multi, option, value));
}

std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> make_multi();

class curl_request
{
public:
    curl_request();
    curl_request(curl_request const&) = delete;

    CURL* handle() const noexcept { return easy_.get(); }

    // For another exchange; what was kept of the last one goes.
    void prepare(std::shared_ptr<http_exchange> e, http_options const& options);

    // Who closes its socket, when that comes: perhaps long after the request.
    void on_close(curl_closesocket_callback f, void* data);

    // What to tell of a transfer that ended so; "" if there is a reply.
    std::string error(CURLcode code) const;

    // Tells the exchange how it ended: `why` empty: by a reply.
    void end(std::string const& why);

private:
    static std::size_t on_body(char* data, std::size_t size, std::size_t n, void* self);
    static std::size_t on_header(char* data, std::size_t size, std::size_t n, void* self);
    static int         on_socket(void*, curl_socket_t s, curlsocktype);
    static int         before_sending(void* self, char*, char*, int, int);
    void               add_header(std::string const& name, std::string const& value);
    void               add_line(std::string const& line);

    std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>         easy_;
    std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers_{nullptr, &curl_slist_free_all};
    std::shared_ptr<http_exchange>                              exchange_;
    http_reply                                                  reply_;
    std::size_t                                                 reply_limit_ = 0, header_bytes_ = 0;
    unsigned                                                    sends_ = 0;
    bool                                                        too_long_ = false;
    char                                                        said_[CURL_ERROR_SIZE] = {};
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
