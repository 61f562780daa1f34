// What became of the latest writes, for the case that one is repeated: the coordinator's log does not tell any more whose bytes stand where.
#pragma once

#include <weft/store.hpp>

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {
namespace remote_detail {

// Of each transaction those since the last one that was no repetition. Of a bounded number of transactions: a repetition that comes after so
// many others is told that the position has been passed, which is safe, and makes its attempt begin anew.
class done_writes
{
public:
    using kind = std::pair<std::size_t, std::int64_t>;

    std::optional<write_result> find(std::string const& gid, kind const& which) const
    {
        if (auto const of = all_.find(gid); of != all_.end())
            for (auto const& [k, result] : of->second)
                if (k == which)
                    return result;
        return std::nullopt;
    }

    void forget(std::string const& gid)
    {
        if (auto const of = all_.find(gid); of != all_.end())
            of->second.clear();
    }

    void add(std::string const& gid, kind const& which, write_result const& result)
    {
        auto const [of, is_new] = all_.try_emplace(gid);
        of->second.emplace_back(which, result);
        if (!is_new)
            return;
        order_.push_back(gid);
        if (order_.size() <= limit)
            return;
        all_.erase(order_.front());
        order_.pop_front();
    }

private:
    static constexpr std::size_t limit = 8'192;

    std::unordered_map<std::string, std::vector<std::pair<kind, write_result>>> all_;
    std::deque<std::string>                                                     order_;  // since when they are known
};

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
