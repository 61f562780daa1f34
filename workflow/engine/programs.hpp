// What is registered with an engine: workflows with their code, workflows that only other processes run, and
// whether it takes dtm's patterns. Filled before the engine starts.
#pragma once

#include <weft/detail/program.hpp>

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class programs
{
public:
    void add(std::string name, std::unique_ptr<program> p);
    void declare(std::string name);

    // The patterns: they have no workflow's name.
    void add_patterns() { names_.emplace_back(); }

    // Null: it is not run here.
    program const* find(std::string const& name) const
    {
        auto const found = programs_.find(name);
        return found == programs_.end() ? nullptr : found->second.get();
    }
    bool is_declared(std::string const& name) const { return declared_.contains(name); }

    // Of what is run here.
    std::vector<std::string> const& names() const noexcept { return names_; }

private:
    std::unordered_map<std::string, std::unique_ptr<program>> programs_;
    std::unordered_set<std::string>                           declared_;
    std::vector<std::string>                                  names_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
