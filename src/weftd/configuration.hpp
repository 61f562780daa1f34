// What weftd is told: by its defaults, the environment, and a file. Each value is a row of the table in keys.cpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace weftd {

// The defaults stand in the table, not here.
struct configuration
{
    // The store
    std::string  relocated;  // the command line's --store
    std::string  store_driver, store_url, store_path, store_host, store_user, store_password, store_database, store_schema;
    std::int64_t store_port{};

    // Transactions
    std::chrono::seconds     trans_cron_interval{}, timeout_to_fail{}, retry_interval{}, request_timeout{};
    std::int64_t             alert_retry_limit{};
    std::string              alert_web_hook;
    std::vector<std::string> branch_urls;
    bool                     in_container{};  // the environment's IS_DOCKER

    // The server
    std::string              listen;
    std::int64_t             http_port{};
    std::vector<std::string> bearer_tokens;  // those of the file, too, once it is loaded
    std::string              bearer_token_file, certificate, certificate_key, client_ca;
    bool                     insecure{};
    std::int64_t             body_limit{}, header_limit{}, bodies_limit{}, connections{}, connections_per_address{}, requests_per_second{};
    std::int64_t             serving_threads{};
    std::chrono::seconds     client_timeout{}, idle_timeout{}, drain_deadline{};

    // What is kept
    std::chrono::seconds retention{}, barrier_retention{}, retention_interval{};
    std::int64_t         retention_batch{};

    // What is shown
    std::optional<std::chrono::minutes> time_zone_offset;

    // The log
    std::string              log_level;
    std::vector<std::string> log_outputs;
    bool                     log_rotation{};
    std::string              log_rotation_config;
};

// Log.RotationConfigJSON, read.
struct rotation
{
    std::size_t megabytes = 100;
    std::size_t files = 100;
};

// Errors: std::invalid_argument with what is wrong.
rotation read_rotation(std::string const& json);

struct loaded_configuration
{
    configuration values;
    std::map<std::string_view, std::string>
                             origins;   // by key: "conf.yml:3", "environment RETRY_INTERVAL"; those that have their default are not here
    std::vector<std::string> warnings;  // what was said without effect
};

// Everything that is wrong, a line each: "conf.yml:3: RetryInterval: ...".
class bad_configuration : public std::runtime_error
{
public:
    explicit bad_configuration(std::vector<std::string> problems);
    std::vector<std::string> const& problems() const noexcept { return problems_; }

private:
    std::vector<std::string> problems_;
};

// The world, as far as configuration is about it.
struct surroundings
{
    std::function<std::optional<std::string>(std::string const& name)> environment;
    std::function<std::string(std::string const& path)> read;  // throws std::runtime_error with the reason alone: "no such file"
};

surroundings real_surroundings();

// Defaults, then the environment, then the text of a file (its name is for messages; empty: there is none).
// Errors: bad_configuration.
loaded_configuration load(std::string_view yaml, std::string const& file, surroundings const& world);

// The same from a file; empty: none.
loaded_configuration load_file(std::string const& file, surroundings const& world);

// For `weft::open_store`. It may hold the password.
std::string store_url(configuration const&);

// True if that URL says itself what the store is, if it is found elsewhere than where it lived.
bool says_relocation(configuration const&);

// What can be shown of an address that may hold a secret.
std::string masked_url(std::string const& url);

// True for "127.0.0.1", "::1" and "localhost".
bool is_loopback(std::string const& address);

// As a conf.yml, secrets masked; where each value comes from as a comment.
std::string print(loaded_configuration const&);

// The table of the documentation.
std::string print_keys();

}  // namespace weftd
