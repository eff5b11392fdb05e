/** The shells that there are scripts for. */
export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** How each reads its script whenever it starts. */
export const startup: Readonly<
  Record<Shell, { readonly line: string; readonly file: string; readonly place: string | null }>
> = {
  bash: { line: "source <(tfc completion bash)", file: "~/.bashrc", place: null },
  zsh: { line: "source <(tfc completion zsh)", file: "~/.zshrc", place: "behind compinit" },
  fish: { line: "tfc completion fish | source", file: "~/.config/fish/config.fish", place: null },
};

/**
 * What a shell reads to complete tfc: each asks `tfc __complete` with what has been typed, as data, and gets lines of a
 * candidate and, behind a tab, what it is; the last line says which paths go with them and whether the word goes on.
 */
export const scripts: Readonly<Record<Shell, string>> = {
  bash: `# bash completion of tfc: source <(tfc completion bash)
_tfc() {
  local line=\${COMP_LINE:0:COMP_POINT} cur=\${COMP_WORDS[COMP_CWORD]} typed lines last kind word
  # A break such as = or @ is a word by itself to readline, or the end of the one before.
  [[ $cur == [=:@]* ]] && cur=\${cur:1}
  lines=$("\${COMP_WORDS[0]}" __complete --line "$line" 2>/dev/null) || return
  last=\${lines##*$'\\n'}
  lines=\${lines%"$last"}
  typed=\${last#*$'\\t'*$'\\t'}
  kind=\${last%%$'\\t'*}
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    # Readline replaces what lies behind the last break only.
    [[ -n $word ]] && COMPREPLY+=("\${word#"\${typed%"$cur"}"}")
  done <<<"$lines"
  case $kind in
    files) compopt -o default -o bashdefault 2>/dev/null ;;
    folders) compopt -o dirnames -o filenames 2>/dev/null ;;
    *) compopt +o default 2>/dev/null ;;
  esac
  [[ $last == *$'\\t'more$'\\t'* ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _tfc tfc
`,
  zsh: `#compdef tfc
# zsh completion of tfc: source <(tfc completion zsh), or tfc completion zsh >_tfc in a folder of $fpath
_tfc() {
  local -a lines last candidates
  local one word about
  lines=("\${(@f)$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  last=("\${(@s:\t:)lines[-1]}")
  for one in "\${(@)lines[1,-2]}"; do
    word=\${\${one%%\t*}//:/\\\\:}
    about=\${one#*\t}
    [[ -n $word ]] && candidates+=("$word\${about:+:$about}")
  done
  case $last[1] in
    files) compset -P '--*='; _files; return ;;
    folders) compset -P '--*='; _files -/; return ;;
  esac
  if [[ $last[2] == more ]]; then _describe -t words tfc candidates -S ''
  else _describe -t words tfc candidates
  fi
}
if [[ $funcstack[1] == _tfc ]]; then _tfc "$@"
else compdef _tfc tfc
fi
`,
  fish: `# fish completion of tfc: tfc completion fish | source, or write it to ~/.config/fish/completions/tfc.fish
function __tfc_complete
    set -l words (commandline -opc)
    set -l cur (commandline -ct)
    set -l lines ($words[1] __complete $words[2..-1] "$cur" 2>/dev/null)
    or return
    set -l last (string split \\t -- $lines[-1])
    for line in $lines[1..-2]
        echo $line
    end
    set -l prefix (string match -r -- '^--[^=]*=' "$cur")
    set -l path (string replace -- "$prefix" '' "$cur")
    switch $last[1]
        case files
            for one in (__fish_complete_path "$path")
                echo "$prefix$one"
            end
        case folders
            for one in (__fish_complete_directories "$path" '')
                echo "$prefix$one"
            end
    end
end
complete -c tfc -f -a '(__tfc_complete)'
`,
};
