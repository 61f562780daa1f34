// What a weft::database on a server has for XA: sessions and threads of their own.
#pragma once

#include <weft/database.hpp>
#include <weft/operation.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

struct xa_options
{
    std::size_t               connections = 8;
    std::chrono::milliseconds lock_timeout{10'000};
    weft::barrier_options     barrier{};
};

// Its members are those of weft::database. Nothing is connected before the first operation. Thread safety:
// any thread.
class xa_resource
{
public:
    // `url`: the database's, with all its options. Errors: misuse.
    xa_resource(std::string_view url, xa_options options);
    ~xa_resource();
    xa_resource(xa_resource const&) = delete;
    xa_resource& operator=(xa_resource const&) = delete;

    void                         connect();
    void                         attach(std::string const& store_id);
    std::vector<prepared_branch> prepared();
    void                         roll_back(prepared_branch const&);
    void                         interrupt() noexcept;
    void                         submit(operation_call call, std::unique_ptr<xa_business> business);

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
