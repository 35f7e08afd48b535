# PowerShell completion for aftrun. Written by: aftrun completion powershell

Register-ArgumentCompleter -Native -CommandName 'aftrun', 'aftrun.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $before = @()
    $typed = ''
    $after = @()
    $program = ''
    foreach ($element in $commandAst.CommandElements) {
        $extent = $element.Extent
        $word = $extent.Text
        if ($element -is [System.Management.Automation.Language.StringConstantExpressionAst] -or
            $element -is [System.Management.Automation.Language.ExpandableStringExpressionAst]) {
            $word = $element.Value
        }
        if ($program -eq '') { $program = $word }
        elseif ($extent.EndOffset -lt $cursorPosition) { $before += $word }
        elseif ($extent.StartOffset -ge $cursorPosition) { $after += $word }
        else { $typed = $extent.Text.Substring(0, $cursorPosition - $extent.StartOffset) }
    }

    $encoding = [Console]::OutputEncoding
    try {
        [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false
        # In a variable, since Windows PowerShell drops empty arguments and breaks quotes.
        $env:_AFTRUN_COMPLETE = (@($before.Count) + $before + $typed + $after) -join "`n"
        $lines = @(& $program __complete powershell 2>$null)
    }
    catch {
        return
    }
    finally {
        Remove-Item Env:_AFTRUN_COMPLETE -ErrorAction SilentlyContinue
        [Console]::OutputEncoding = $encoding
    }

    foreach ($line in ($lines | Select-Object -Skip 1)) {
        $text, $about = $line -split "`t", 2
        if (-not $about) { $about = $text }
        [System.Management.Automation.CompletionResult]::new($text, $text, 'ParameterValue', $about)
    }
}
